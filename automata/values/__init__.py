"""Values by type: validated, encoded, decoded, copied. `value_type` compiles an annotation; `ordered` encodes keys."""

"""Types that strangers upload as WebAssembly: run in the process that holds their data, isolated and metered
(LambdaObjects §4.2). The only package that imports wasmtime.

    upload:  bytes -> binary.py -> compiling.py -> manifest.py -> uploaded_type.py -> the registry
    call:    shim (shims.py) -> session.py -> core_guest.py or component_guest.py -> the turn's state, sends and awaits
"""

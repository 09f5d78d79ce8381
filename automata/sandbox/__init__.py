"""Types uploaded as WebAssembly, which run beside their data and reach nothing else (LambdaObjects §4.2)."""

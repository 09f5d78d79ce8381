"""Types that are uploaded as WebAssembly, and run beside their data with nothing but their own state (LambdaObjects §4.2)."""

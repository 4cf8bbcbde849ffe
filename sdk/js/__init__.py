"""The npm package `tinyface`: the C library as WebAssembly, with what a page needs around it."""

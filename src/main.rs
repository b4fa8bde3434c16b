//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    // OpenSSL's own clean-up at exit races with live threads; this switches it off.
    openssl::init();
    ssf_hub::cli::main()
}

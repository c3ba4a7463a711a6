//! `coldcase`: the responder's desk. One file a subcommand.

mod classify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Serverless forensics: what happened to a function, kept where nobody can alter it.
#[derive(Parser)]
#[command(name = "coldcase", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Classify(classify::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Classify(args) => classify::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coldcase: {error:#}");
            ExitCode::from(2)
        }
    }
}

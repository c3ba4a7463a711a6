//! `coldcase`: the responder's desk. One file a subcommand.

mod activity;
mod bucket;
mod classify;
mod scan;

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
    Activity(Box<activity::Args>),
    Classify(classify::Args),
    Scan(Box<scan::Args>),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Activity(args) => activity::run(&args),
        Command::Classify(args) => classify::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Scan(args) => scan::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("coldcase: {error:#}");
            ExitCode::from(2)
        }
    }
}

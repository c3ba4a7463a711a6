//! `coldcase`: the responder's desk. One file a subcommand; what they stand on is in `desk`.

mod activity;
mod baseline;
mod bucket;
mod cases;
mod classify;
mod contain;
mod containment;
mod desk;
mod diff;
mod doctor;
mod expected;
mod export;
mod findings;
mod help;
mod import;
mod logs;
mod open;
mod release;
mod respond;
mod scan;
mod show;
mod timeline;
mod verify;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use desk::{Failure, Kind, Options};
use std::io::Write as _;
use std::process::ExitCode;

/// Serverless forensics: what happened to a function, kept where nobody can alter it.
///
/// Exit codes: 0, done; 1, done, and the answer is no: each command's help says which that is (a digest that
/// differs, a finding of medium or above, an artifact that was refused); 2, the command or a file cannot be
/// used; 3, AWS was not reached or refused; 4, there is no such thing; 5, the vault is broken or full; 130,
/// interrupted.
#[derive(Parser)]
#[command(name = "coldcase", version)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Respond(Box<respond::Args>),
    Cases(cases::Args),
    Show(show::Args),
    Timeline(timeline::Args),
    Findings(findings::Args),
    Diff(diff::Args),
    Logs(logs::Args),
    Open(open::Args),
    Verify(verify::Args),
    Export(export::Args),
    Import(import::Args),
    Activity(Box<activity::Args>),
    Classify(classify::Args),
    Contain(Box<contain::Args>),
    Doctor(doctor::Args),
    Release(Box<release::Args>),
    Scan(Box<scan::Args>),
    Expected(expected::Args),
    Baseline(Box<baseline::Args>),
    /// Prints the completions for a shell.
    ///
    /// For bash: coldcase completions bash > ~/.local/share/bash-completion/completions/coldcase
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let matches = help::grouped(Cli::command()).try_get_matches();
    let Cli { options, command } = match matches.and_then(|it| Cli::from_arg_matches(&it)) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args_os().any(|it| it == "--json") => {
            // What clap says begins with `error: `; how it is used follows after an empty line.
            let what = error.to_string();
            let what = what.strip_prefix("error: ").unwrap_or(&what);
            let what = what.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = what.split_whitespace().collect();
            tell(true, &Failure::new(Kind::Usage, words.join(" ")));
            return ExitCode::from(Kind::Usage.code());
        }
        Err(error) => error.exit(),
    };
    match run(&options, command) {
        Ok(code) => code,
        // A reader that has seen enough (head, less) is no failure.
        Err(error) if Failure::is_of_the_reader(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(options.json, &error);
            Failure::code(&error)
        }
    }
}

fn run(options: &Options, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Respond(args) => wait(respond::run(&args, options)),
        Command::Cases(args) => wait(cases::run(&args, options)),
        Command::Show(args) => wait(show::run(&args, options)),
        Command::Timeline(args) => wait(timeline::run(&args, options)),
        Command::Findings(args) => wait(findings::run(&args, options)),
        Command::Diff(args) => wait(diff::run(&args, options)),
        Command::Logs(args) => wait(logs::run(&args, options)),
        Command::Open(args) => wait(open::run(&args, options)),
        Command::Verify(args) => wait(verify::run(&args, options)),
        Command::Export(args) => wait(export::run(&args, options)),
        Command::Import(args) => wait(import::run(&args, options)),
        Command::Activity(args) if args.is_of_a_case() => {
            wait(activity::run_sealed(&args, options))
        }
        Command::Activity(args) => activity::run(&args, options),
        Command::Classify(args) => classify::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Contain(args) => wait(contain::run(&args, options)),
        Command::Release(args) => wait(release::run(&args, options)),
        Command::Doctor(args) => wait(doctor::run(&args, options)),
        Command::Scan(args) => wait(scan::run(&args, options)),
        Command::Expected(args) => wait(expected::run(&args, options)),
        Command::Baseline(args) => wait(baseline::run(&args, options)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "coldcase", &mut script);
            std::io::stdout().lock().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs a subcommand that waits for others.
fn wait(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(command);
    // What an attacker packed may keep a thread busy for ever: nobody waits for it.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    done
}

/// Says what went wrong: for people on standard error, for programs as JSON there.
fn tell(is_json: bool, error: &anyhow::Error) {
    let what = evidence::shown(&format!("{error:#}"), 2000);
    let line = if is_json {
        serde_json::json!({ "error": { "kind": Failure::kind(error).name(), "what": what } })
            .to_string()
    } else {
        format!("coldcase: {what}")
    };
    // Nobody to tell is no further failure.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

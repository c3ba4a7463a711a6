//! What every subcommand stands on: whose credentials, which vault, which stack, how it is said.

mod account;
mod cloudflare;
mod command;
pub mod elsewhere;
mod failure;
mod google;
mod interrupt;
mod lines;
pub mod moment;
mod moving;
mod output;
mod place;
pub mod reading;
pub mod sheet;
mod signer;
mod stack;
mod trusted;
mod vaults;

pub use account::{Account, chain, config, refused};
pub use command::{command, leading, quoted};
pub use failure::{Failure, Kind};
pub use interrupt::Interrupt;
pub use lines::{Line, Lines};
pub use moment::Moment;
pub use moving::moving;
pub use output::{Listing, Output, Tone, json_line, severity_tone, visible};
pub use place::Place;
pub use reading::Reading;
pub use signer::{Key, sealing};
pub use stack::Stack;
pub use trusted::{Trust, Trusted, TrustedKey};
pub use vaults::{DIRECTORY, Opened, ids, open_at, open_vault, resolve};

/// A severity as people write it.
pub fn severity(text: &str) -> Result<evidence::Severity, String> {
    serde_json::from_value(text.to_lowercase().into())
        .map_err(|_| "no severity; write info, low, medium, high or critical".to_owned())
}

/// Options that every subcommand takes.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Options {
    /// Prints JSON, as the schemas in infra/schemas say, and nothing else, on standard output.
    #[arg(long, global = true)]
    pub json: bool,

    /// Where cases are: s3://BUCKET or a directory. Without it, the bucket of the account's stack,
    /// if there is one, else ./coldcase-vault.
    #[arg(
        long,
        global = true,
        value_name = "s3://BUCKET|DIR",
        env = "COLDCASE_VAULT",
        hide_env_values = true
    )]
    pub vault: Option<Place>,

    /// The name of the deployed stack.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "COLDCASE_STACK",
        hide_env_values = true,
        default_value = "coldcase"
    )]
    pub stack: String,

    /// A profile of the AWS configuration.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,

    /// The AWS Region.
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,

    /// Another address of AWS, for a local account.
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,

    /// No progress and no remarks; answers and errors only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

//! The command that goes on with one that stopped: the same options, in words that a shell takes as they
//! are.

use super::Args;
use crate::desk::{Options, leading, quoted};
use std::path::Path;
use std::time::Duration;

/// The command that goes on with this request.
pub fn again(args: &Args, options: &Options, request: &str) -> String {
    let mut words: Vec<String> = ["coldcase", "respond"].map(str::to_owned).into();
    let mut option = |name: &str, value: &str| {
        // `--name=value` stays one word even where the value begins with a dash.
        words.push(quoted(&format!("--{name}={value}")));
    };
    if let Some(tag) = &args.all_with_tag {
        option("all-with-tag", &tag.to_string());
    }
    if let Some(window) = args.window {
        option("window", &length(window));
    }
    option("reason", &args.reason);
    if let Some((bucket, prefix)) = &args.trail_bucket {
        option("trail-bucket", &format!("s3://{bucket}/{prefix}"));
    }
    if !args.regions.is_empty() {
        option("regions", &args.regions.join(","));
    }
    if let Some(file) = args.key.file() {
        option("key", &written(file));
    }
    if let Some(key) = args.key.of_kms() {
        option("kms-key", key);
    }
    for (name, value) in leading(options) {
        option(name, &value);
    }
    option("request-id", request);
    for (is_given, flag) in [
        (args.no_tracing, "--no-tracing"),
        (args.local, "--local"),
        (args.wait, "--wait"),
        (args.anyway, "--anyway"),
    ] {
        if is_given {
            words.push(flag.to_owned());
        }
    }
    if !args.targets.is_empty() {
        words.push("--".to_owned());
        words.extend(args.targets.iter().map(|target| quoted(target)));
    }
    words.join(" ")
}

/// A length of time in its largest whole unit, as `--window` takes it: `48h`, `30m`, `90s`.
pub fn length(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{}ms", time.as_millis()),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn written(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cli, Command};
    use clap::Parser as _;
    use std::process;

    fn parsed<S: AsRef<str>>(words: &[S]) -> (Box<Args>, Options) {
        let cli = Cli::try_parse_from(words.iter().map(AsRef::as_ref)).unwrap();
        match cli.command {
            Command::Respond(args) => (args, cli.options),
            _ => panic!("another command"),
        }
    }

    /// The words that a real shell makes of a command.
    fn words(command: &str) -> Vec<String> {
        let script = format!("printf '%s\\0' {command}");
        let printed = process::Command::new("sh").args(["-c", &script]).output();
        let printed = String::from_utf8(printed.unwrap().stdout).unwrap();
        let mut words: Vec<String> = printed.split('\0').map(str::to_owned).collect();
        words.pop();
        words
    }

    #[test]
    fn what_goes_on_asks_for_the_same_in_a_shell() {
        let reason = "it's \"odd\"; $(touch /tmp/x) `id` *";
        let (first, options) = parsed(&[
            "coldcase",
            "respond",
            "billing",
            "--all-with-tag",
            "team=pay $HOME",
            "--window",
            "30m",
            "--reason",
            reason,
            "--no-tracing",
            "--local",
            "--wait",
            "--anyway",
            "--trail-bucket",
            "s3://trail/a b/",
            "--regions",
            "eu-west-1,us-east-1",
            "--key",
            "my key.pem",
            "--vault",
            "./evidence of today",
            "--stack",
            "other",
            "--profile",
            "forensics",
            "--region",
            "eu-west-1",
            "--endpoint-url",
            "http://127.0.0.1:4566",
        ]);
        let command = again(&first, &options, "desk-1");
        let (second, same) = parsed(&words(&command));
        assert_eq!(second.request_id.as_deref(), Some("desk-1"));
        assert_eq!(second.reason, reason);
        assert_eq!(again(&second, &same, "desk-1"), command);
        let told = |args: &Args| {
            (
                args.targets.clone(),
                args.all_with_tag.clone(),
                args.window,
                args.trail_bucket.clone(),
                args.regions.clone(),
                (args.no_tracing, args.local, args.wait, args.anyway),
                args.key.file().map(Path::to_owned),
            )
        };
        assert_eq!(told(&first), told(&second));
        assert_eq!(format!("{options:?}"), format!("{same:?}"));
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let (args, options) = parsed(&[
            "coldcase",
            "respond",
            "billing",
            "--endpoint-url",
            "http://me:secret@127.0.0.1",
        ]);
        assert!(!again(&args, &options, "desk-1").contains("secret"));
    }

    #[test]
    fn a_length_is_told_in_its_largest_whole_unit() {
        let of = |seconds| length(Duration::from_secs(seconds));
        assert_eq!([of(1800), of(172_800), of(90)], ["30m", "48h", "90s"]);
    }
}

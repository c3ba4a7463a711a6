//! What `coldcase --help` says: the subcommands by what they are for, in the order in which a responder needs
//! them.

use crate::desk::{Output, Tone, sheet};
use clap::Command;

/// The subcommands by what they are for.
const GROUPS: &[(&str, &[&str])] = &[
    ("Respond", &["respond", "contain", "release"]),
    (
        "Read a case",
        &[
            "cases", "show", "timeline", "findings", "diff", "logs", "activity", "open",
        ],
    ),
    ("Evidence", &["verify", "export", "import"]),
    (
        "Before anything happens",
        &["doctor", "baseline", "expected", "scan", "classify"],
    ),
    ("Beside", &["completions", "help"]),
];

/// The same command, whose help lists its subcommands by what they are for.
pub fn grouped(command: Command) -> Command {
    let mut listed = String::new();
    for (title, names) in GROUPS {
        let known = names.iter().filter_map(|name| {
            let found = command.find_subcommand(name);
            Some((*name, about(found?)))
        });
        let known: Vec<(&str, String)> = known.collect();
        if known.is_empty() {
            continue;
        }
        listed.push_str(&format!("{}\n", Tone::Strong.paint(title)));
        for (name, about) in known {
            let mut begin = format!("  {name:<13}");
            for text in sheet::wrapped(&about, Output::columns().min(100) - 15, 3) {
                listed.push_str(&format!("{begin}{text}\n"));
                begin = " ".repeat(15);
            }
        }
        listed.push('\n');
    }
    let everywhere = Tone::Strong.paint("Everywhere");
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listed}{everywhere}\n{{options}}{{after-help}}"
    ))
}

/// What a subcommand does: the first sentence of its help, up to what explains it.
fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string);
    let about = about.unwrap_or_default();
    let end = [". ", ": ", "; "].iter().filter_map(|end| about.find(end));
    let first = end.min().and_then(|end| about.get(..end));
    first.unwrap_or(about.trim_end_matches('.')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_subcommand_is_in_a_group_and_says_what_it_does() {
        let mut command = crate::Cli::command();
        command.build();
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name();
            let is_listed = GROUPS.iter().any(|(_, names)| names.contains(&name));
            assert!(is_listed, "{name} is in no group");
            assert!(about(subcommand).len() > 10, "{name} says nothing");
        }
    }

    #[test]
    fn every_subcommand_has_examples() {
        for subcommand in crate::Cli::command().get_subcommands() {
            let name = subcommand.get_name();
            let after = subcommand.get_after_help().map(ToString::to_string);
            let is_exempt = name == "completions";
            assert!(
                is_exempt || after.is_some_and(|after| after.contains("coldcase ")),
                "{name} has no examples"
            );
        }
    }
}

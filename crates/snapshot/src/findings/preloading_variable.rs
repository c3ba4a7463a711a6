//! Environment variables that make a runtime load or run something before the function's own code.

use super::{Look, Noticed, Rule};
use evidence::Severity;

/// By name only: values are not known here.
pub(super) const RULE: Rule = Rule {
    id: "preloading-variable",
    technique: "T1574.006",
    advice: "Look at the variable's value in the configuration exhibit and at the file that it names, in the package and in each layer.",
    look,
};

/// A name, what it does, and how much it tells where nothing is known of how the function was: many
/// functions have the ordinary ones, put there by AWS's own layers or by bundlers.
const NAMES: [(&str, &str, Severity); 26] = [
    (
        "AWS_LAMBDA_EXEC_WRAPPER",
        "runs a program in place of the runtime",
        Severity::Info,
    ),
    (
        "LD_PRELOAD",
        "loads a library into every process",
        Severity::Medium,
    ),
    (
        "LD_AUDIT",
        "loads a library into every process",
        Severity::Medium,
    ),
    (
        "LD_LIBRARY_PATH",
        "says where libraries are looked for",
        Severity::Info,
    ),
    (
        "NODE_OPTIONS",
        "can load a module before the handler",
        Severity::Info,
    ),
    (
        "NODE_PATH",
        "says where modules are looked for",
        Severity::Info,
    ),
    (
        "PYTHONPATH",
        "says where modules are looked for",
        Severity::Info,
    ),
    (
        "PYTHONSTARTUP",
        "runs a file when Python starts",
        Severity::Low,
    ),
    ("PYTHONHOME", "says where Python itself is", Severity::Low),
    (
        "PYTHONBREAKPOINT",
        "names a function that is called",
        Severity::Low,
    ),
    (
        "PYTHONWARNINGS",
        "can import a module when Python starts",
        Severity::Info,
    ),
    (
        "JAVA_TOOL_OPTIONS",
        "can load an agent before the handler",
        Severity::Info,
    ),
    (
        "_JAVA_OPTIONS",
        "can load an agent before the handler",
        Severity::Low,
    ),
    (
        "JDK_JAVA_OPTIONS",
        "can load an agent before the handler",
        Severity::Info,
    ),
    (
        "CLASSPATH",
        "says where classes are looked for",
        Severity::Info,
    ),
    (
        "PERL5OPT",
        "can load a module when Perl starts",
        Severity::Low,
    ),
    (
        "PERL5LIB",
        "says where modules are looked for",
        Severity::Low,
    ),
    (
        "RUBYOPT",
        "can load a file when Ruby starts",
        Severity::Info,
    ),
    ("RUBYLIB", "says where files are looked for", Severity::Info),
    ("BASH_ENV", "runs a file when a shell starts", Severity::Low),
    (
        "GCONV_PATH",
        "says where libraries are looked for",
        Severity::Medium,
    ),
    (
        "DOTNET_STARTUP_HOOKS",
        "runs an assembly before the handler",
        Severity::Info,
    ),
    ("DOTNET_ADDITIONAL_DEPS", "adds assemblies", Severity::Info),
    (
        "CORECLR_PROFILER_PATH",
        "loads a library into .NET",
        Severity::Info,
    ),
    (
        "PHP_INI_SCAN_DIR",
        "can load a file before each PHP script",
        Severity::Info,
    ),
    ("GIT_SSH_COMMAND", "runs a program", Severity::Low),
];

fn look(look: &Look<'_>) -> Vec<Noticed> {
    super::variables(look, &|name| {
        let known = NAMES.iter().find(|(known, ..)| *known == name);
        known.map(|(_, meaning, alone)| (*meaning, *alone, Severity::High))
    })
}

#[cfg(test)]
mod tests {
    use crate::canned::ordinary;
    use crate::findings::tests::found;
    use evidence::Severity;

    const RULE: &str = "preloading-variable";

    #[test]
    fn one_that_was_added_or_changed_since_is_high() {
        for name in ["LD_PRELOAD", "AWS_LAMBDA_EXEC_WRAPPER", "PYTHONSTARTUP"] {
            let now = ordinary().variable(name, "/opt/evil");
            let severities = found(RULE, &now, Some(&ordinary()));
            assert_eq!(severities[0], Severity::High, "{name}");
        }
    }

    #[test]
    fn what_was_there_before_and_what_is_ordinary_is_info() {
        let now = ordinary().variable("LD_PRELOAD", "/opt/jemalloc.so");
        let severities = found(RULE, &now, Some(&now));
        assert_eq!(severities, [Severity::Info; 3]);
        assert_eq!(found(RULE, &ordinary(), None), [Severity::Info; 2]);
        assert_eq!(found(RULE, &now, None)[0], Severity::Medium);
    }

    #[test]
    fn another_name_is_nothing() {
        let now = ordinary().variable("MY_LD_PRELOAD", "x");
        assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::Info; 2]);
    }
}

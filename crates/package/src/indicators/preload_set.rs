//! A file that has something loaded into every program or interpreter that starts: `LD_PRELOAD`,
//! `NODE_OPTIONS --require` and their like, set in code, or `ld.so.preload`.

use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "preload-set",
    technique: "T1574.006",
    advice: "Look at what is preloaded, and whether the function's configuration sets the same variable.",
    over: Over::Source(&[
        "LD_PRELOAD",
        "LD_AUDIT",
        "ld.so.preload",
        "NODE_OPTIONS",
        "PYTHONSTARTUP",
        "JAVA_TOOL_OPTIONS",
        "RUBYOPT",
        "CORECLR_PROFILER",
        "BASH_ENV",
        "PERL5OPT",
    ]),
    look,
};

static SET: Pattern = Pattern::new(
    r#"(?:^|[;&\s])(?:export\s+)?(?:LD_PRELOAD|LD_AUDIT|PYTHONSTARTUP|CORECLR_PROFILER_PATH|BASH_ENV)=["']?[^\s"']{0,60}/(?:opt|tmp|var/task|dev/shm)?/?|(?:environ\[\s*["']|process\.env(?:\.|\[\s*["'])|ENV\[["'])(?:LD_PRELOAD|LD_AUDIT|PYTHONSTARTUP)(?:["']\s*\])?\s*=[^=]|(?:NODE_OPTIONS|RUBYOPT|PERL5OPT)["'\]]{0,3}\s*=\s*["'`]?[^\n]{0,80}(?:--require|--import|--loader|--experimental-loader|-r|-M)[\s=]\s*[^\s]{0,60}/|JAVA_TOOL_OPTIONS["'\]]{0,3}\s*=\s*["'`]?[^\n]{0,80}-(?:javaagent|agentpath|agentlib):|(?:>>?|tee|open\()\s*["']?/etc/ld\.so\.preload"#,
);

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let Some(place) = SET.find(scene.bytes) else {
        return;
    };
    hits.push(
        Hit::new(
            Severity::Medium,
            Confidence::Medium,
            format!(
                "{} has a file loaded into what starts after it",
                scene.path()
            ),
        )
        .if_owned(Severity::Info)
        .at(scene, &place),
    );
}

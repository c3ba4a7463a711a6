//! Everything that is looked for in one package, layer or image, in one pass over it.

use crate::{
    Advisories, Checked, Component, Components, Contents, Expected, Indicators, InstallScripts,
    Integrity, Limits, Observer, Part, Source, Subject, Unreadable, irregularities, lookalikes,
};
use evidence::{Finding, Severity};
use serde::{Deserialize, Serialize};

/// What is looked with.
pub struct Tools<'a> {
    /// How much is looked at.
    pub limits: Limits,
    /// Components that are known to be bad.
    pub advisories: &'a Advisories,
    /// What the owner says is right.
    pub expected: Option<&'a Expected>,
}

/// An observer that comes to findings: rules that this crate does not know.
pub trait Judge: Observer {
    /// What it found, once all files have passed.
    fn findings(self: Box<Self>) -> Vec<Finding>;
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Examined {
    /// The files, and what is odd about how they are packed.
    pub contents: Contents,
    /// What it is made of.
    pub components: Vec<Component>,
    /// Whether it is as its publishers made it.
    pub integrity: Checked,
    /// What is wrong with it, the worst first.
    pub findings: Vec<Finding>,
}

/// Examines one part. `subject` is what the owner's expectations know it as; `judge` adds rules that
/// this crate does not know.
///
/// # Errors
/// As [`Source::read`]: whatever is wrong with the bytes themselves is a finding.
pub fn examine(
    part: &Part,
    subject: &Subject<'_>,
    source: &mut Source,
    tools: &Tools<'_>,
    mut judge: Option<Box<dyn Judge + '_>>,
) -> Result<Examined, Unreadable> {
    let mut components = Components::new();
    let mut integrity = Integrity::new();
    let mut scripts = InstallScripts::new();
    let mut indicators = Indicators::new(part);
    let mut observers: Vec<&mut dyn Observer> = vec![
        &mut components,
        &mut integrity,
        &mut scripts,
        &mut indicators,
    ];
    if let Some(judge) = &mut judge {
        observers.push(&mut **judge);
    }
    let contents = source.read(&tools.limits, &mut observers)?;
    let mut findings = irregularities(&part.name, &contents);
    findings.extend(components.gaps(&part.name));
    let components = components.finish(&contents);
    let integrity = integrity.finish(&contents);
    findings.extend(integrity.findings(&part.name));
    findings.extend(scripts.finish(&part.name));
    findings.extend(indicators.finish(&contents));
    findings.extend(tools.advisories.matching(&part.name, &components));
    findings.extend(lookalikes(&part.name, &components));
    if let Some(expected) = tools.expected {
        findings.extend(expected.check(subject, &contents, &components));
    }
    if let Some(judge) = judge {
        findings.extend(judge.findings());
    }
    worst_first(&mut findings);
    Ok(Examined {
        contents,
        components,
        integrity,
        findings,
    })
}

/// Orders findings for people: the worst first, then the surest, then by rule.
pub fn worst_first(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (b.severity, b.confidence, &a.rule).cmp(&(a.severity, a.confidence, &b.rule))
    });
}

/// How bad the worst of it is.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, File, PartRole};
    use std::io::Write as _;

    /// A judge that speaks of every file that it was shown.
    #[derive(Default)]
    struct Talkative(Vec<String>);

    impl Observer for Talkative {
        fn file(&mut self, file: &File, _: Content<'_>) {
            self.0.push(file.path.clone());
        }
    }

    impl Judge for Talkative {
        fn findings(self: Box<Self>) -> Vec<Finding> {
            self.0
                .into_iter()
                .map(|path| Finding {
                    rule: "seen".to_owned(),
                    statement: path,
                    severity: Severity::Critical,
                    confidence: evidence::Confidence::High,
                    technique: None,
                    advice: None,
                    proof: Vec::new(),
                })
                .collect()
        }
    }

    fn zip_of(files: &[(&str, &str)]) -> Source {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in files {
            writer
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        Source::from_bytes("function.zip", bytes).unwrap()
    }

    fn examined(files: &[(&str, &str)], judge: Option<Box<dyn Judge>>) -> Examined {
        let part = Part {
            name: "function-code".to_owned(),
            role: PartRole::Function,
            runtime: Some("python3.13".to_owned()),
            handler: Some("app.handler".to_owned()),
        };
        let subject = Subject {
            part: "function-code",
            arn: None,
            sha256: None,
        };
        let tools = Tools {
            limits: Limits::default(),
            advisories: &Advisories::new(),
            expected: None,
        };
        examine(&part, &subject, &mut zip_of(files), &tools, judge).unwrap()
    }

    #[test]
    fn one_pass_lists_identifies_checks_and_judges() {
        let examined = examined(
            &[
                ("app.py", "def handler(event, context):\n    return 1\n"),
                ("demo/__init__.py", "changed = True\n"),
                (
                    "demo-1.0.dist-info/METADATA",
                    "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
                ),
                (
                    "demo-1.0.dist-info/RECORD",
                    "demo/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n\
                     demo-1.0.dist-info/RECORD,,\n",
                ),
                ("../../etc/cron.d/job", "* * * * * root true\n"),
            ],
            Some(Box::<Talkative>::default()),
        );
        assert_eq!(examined.contents.files.len(), 5);
        assert_eq!(examined.components[0].purl, "pkg:pypi/demo@1.0");
        assert_eq!(examined.integrity.deviations.len(), 1);
        let rules: Vec<&str> = examined
            .findings
            .iter()
            .map(|it| it.rule.as_str())
            .collect();
        assert_eq!(rules[..5], ["seen"; 5], "the worst comes first");
        assert!(
            rules.len() > 6,
            "the path and the changed file are findings: {rules:?}"
        );
        assert_eq!(worst(&examined.findings), Some(Severity::Critical));
    }

    #[test]
    fn an_ordinary_package_comes_to_nothing() {
        let examined = examined(
            &[("app.py", "def handler(event, context):\n    return 1\n")],
            None,
        );
        assert_eq!(examined.findings, []);
        assert_eq!(worst(&examined.findings), None);
    }
}

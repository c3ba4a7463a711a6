//! What `contain` and `release` stand on: the case and its function, what is shown before anything is
//! changed, the question, and what is told afterwards.

use crate::desk::{self, Account, Failure, Key, Kind, Opened, Options, Output, Tone};
use ::contain::{
    ContainError, Containing, History, Intended, Intent, LambdaFunction, Ledger, Outcome, Refused,
    Sealing, Survey,
};
use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_lambda::primitives::Blob;
use collectors::aws::Regions;
use evidence::{
    CaseId, CustodyAction, Provider, ResourceKind, Responder, Target, TargetChange, shown,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::Arc;
use vault::Case;

/// The largest artifact that is preserved: an image layer has 10 GB at most.
const LIMIT_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// The longest that somebody's words may be, in characters.
const LONGEST_NAME: usize = 200;
const LONGEST_REASON: usize = 2000;

/// The most cases that are looked through for one that is contained, the newest first.
const MOST_CASES: usize = 200;

/// Who wants it, and whether to ask.
#[derive(clap::Args)]
pub struct Consent {
    /// Why; custody tells it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Who wants it; custody tells it. Without it, the caller's ARN.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,

    /// Does not ask. For scripts.
    #[arg(long, short)]
    yes: bool,

    /// Shows what would be changed, and changes and seals nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    key: Key,
}

/// A case, and the function that it is about, within reach.
pub struct Site {
    options: Options,
    opened: Opened,
    account: Account,
    /// The case as it is sealed.
    pub case: Case,
    /// What changes the function.
    pub containing: Containing,
    by: String,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    case_id: &'a CaseId,
    vault: String,
    function: String,
    account: &'a str,
    region: &'a str,
    caller: &'a str,
    by: &'a str,
    dry_run: bool,
    /// Whether everything was done; in a dry run, nothing was.
    complete: bool,
    containment: Option<u32>,
    released: &'a [u32],
    record: Option<u32>,
    preserved: Option<u32>,
    newly_preserved: bool,
    changes: &'a [TargetChange],
    left: &'a [String],
    differs: &'a [String],
    not_compared: &'a [String],
    addenda: &'a [String],
}

impl Site {
    /// Opens the case and reaches its function.
    pub async fn open(
        options: &Options,
        output: &Output,
        named: &str,
        consent: &Consent,
    ) -> Result<Self> {
        let mut opened = desk::open_vault(options, output, false).await?;
        let id = desk::resolve(&*opened.vault, &opened.place, named).await?;
        let case = Case::read(&*opened.vault, &id)
            .await
            .map_err(desk::sealing)?
            .ok_or_else(|| Failure::new(Kind::Absent, format!("case {id} is not sealed yet")))?;
        if let Some(fault) = case.findings.first() {
            let why = &fault.statement;
            return Err(Failure::new(
                Kind::Vault,
                format!("case {id} is not as it was sealed: {why}; verify it before anything else"),
            ));
        }
        let target = case.first().target.clone();
        if target.kind != ResourceKind::Function {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "case {id} is about {}: only a function can be contained",
                    target.id()
                ),
            ));
        }
        if target.provider != Provider::Aws {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "case {id} is about {}: this version of coldcase contains functions of AWS only",
                    target.id()
                ),
            ));
        }
        if case.manifests.len() < 2 {
            return Err(Failure::new(
                Kind::Absent,
                format!(
                    "case {id} is still being worked on: what came of tracing is not sealed yet; try \
                     again in a moment"
                ),
            ));
        }
        let account = match opened.account.take() {
            Some(account) => account,
            None => Account::reach(options).await?,
        };
        if account.id != target.account {
            return Err(Failure::new(
                Kind::Access,
                format!(
                    "the function is account {}'s, and these credentials are account {}'s: sign in there \
                     (--profile)",
                    target.account, account.id
                ),
            ));
        }
        let clients = Regions::new(&account.config, &[&account.region])
            .of(&target.region)
            .ok_or_else(|| {
                let region = shown(&target.region, 40);
                Failure::new(
                    Kind::Usage,
                    format!("{region} is no Region that could be asked"),
                )
            })?;
        let by = words("--by", consent.by.as_deref(), LONGEST_NAME)?
            .unwrap_or_else(|| account.caller.clone());
        words("--reason", consent.reason.as_deref(), LONGEST_REASON)?;
        let containing = Containing {
            vault: Arc::clone(&opened.vault),
            // Who seals is settled once somebody said yes.
            ledger: Arc::new(Nobody),
            clock: Arc::new(jiff::Timestamp::now),
            function: Arc::new(LambdaFunction::new(clients, &target, baseline::KINDS)),
            may_lose_layers: false,
        };
        Ok(Self {
            options: options.clone(),
            opened,
            account,
            case,
            containing,
            by,
        })
    }

    /// The function.
    pub fn target(&self) -> &Target {
        &self.case.first().target
    }

    /// Why there is nothing to release: the case was never contained, or is released already. Another case
    /// of the same function that is contained is named.
    pub async fn nothing_to_release(&self) -> Result<anyhow::Error> {
        let this = &self.case.first().case_id;
        let what = match History::of(&self.case).containments.is_empty() {
            true => "was not contained",
            false => "is released already",
        };
        let vault = &*self.opened.vault;
        let target = self.target().unqualified();
        let ids = desk::ids(vault).await?;
        for id in ids.iter().rev().filter(|id| *id != this).take(MOST_CASES) {
            let Ok(Some(case)) = Case::read(vault, id).await else {
                continue;
            };
            let is_contained = History::of(&case).open().next().is_some();
            if is_contained && case.first().target.unqualified() == target {
                let command = desk::command(&self.options, &["release", id.as_str()]);
                return Ok(Failure::new(
                    Kind::Absent,
                    format!(
                        "case {this} {what}; another case of the function is contained: {command}"
                    ),
                ));
            }
        }
        Ok(Failure::new(
            Kind::Absent,
            format!("case {this} {what}: there is nothing to release"),
        ))
    }

    /// The answer where somebody was asked and did not agree.
    pub fn declined(&self, verb: &str, survey: &Survey, output: &Output) -> Result<ExitCode> {
        if output.is_json() {
            self.answer(verb, survey, None, output)?;
        }
        Ok(ExitCode::from(1))
    }

    /// Who wants it.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Shows what will be changed, and has somebody agree to it. No is none; yes settles who signs.
    pub fn agree(
        &mut self,
        verb: &str,
        survey: &Survey,
        consent: &Consent,
        output: &Output,
    ) -> Result<bool> {
        if !consent.yes {
            let target = self.target().clone();
            let mut out = anstream::AutoStream::auto(io::stderr().lock());
            self.show(&mut out, verb, survey)?;
            if !io::stdin().is_terminal() {
                return Err(Failure::new(
                    Kind::Usage,
                    format!(
                        "there is no terminal to ask on, and nothing was changed: --yes says yes, \
                         --dry-run shows the plan ({verb} {})",
                        shown(&target.name, 140)
                    ),
                ));
            }
            write!(out, "\nType the function's name to {verb} it: ")?;
            out.flush()?;
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            if line.trim() != target.name {
                // The end of input leaves the question's row open.
                let begin = if line.ends_with('\n') { "" } else { "\n" };
                writeln!(out, "{begin}Nothing was changed.")?;
                return Ok(false);
            }
        } else if !output.is_json() {
            let mut out = anstream::AutoStream::auto(io::stderr().lock());
            self.show(&mut out, verb, survey)?;
        }
        self.containing.ledger = self.ledger(consent, output)?;
        Ok(true)
    }

    /// Who seals: the stack's function where the vault is the stack's, for nobody else may write
    /// there; else whoever sits here.
    fn ledger(&self, consent: &Consent, output: &Output) -> Result<Arc<dyn Ledger>> {
        if let Some(stack) = &self.opened.stack {
            return Ok(Arc::new(OfStack {
                lambda: aws_sdk_lambda::Client::new(&self.account.config),
                function: stack.output("BaselineFunctionName")?.to_owned(),
            }));
        }
        Ok(Arc::new(Sealing {
            vault: Arc::clone(&self.opened.vault),
            signer: consent
                .key
                .signer(&self.opened, Some(&self.account), output)?,
            clock: Arc::clone(&self.containing.clock),
            function: Arc::clone(&self.containing.function),
            identity: Responder {
                program: "coldcase".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                identity: self.account.caller.clone(),
                attempt: format!("{}-{}", jiff::Timestamp::now(), std::process::id()),
            },
            limit_bytes: LIMIT_BYTES,
            deadline: None,
        }))
    }

    fn show(&self, out: &mut dyn Write, verb: &str, survey: &Survey) -> io::Result<()> {
        let target = self.target();
        let title = format!("{verb} {}", target.name);
        writeln!(out, "{}\n", Tone::Strong.paint(title))?;
        for (name, value) in [
            ("function", target.id_unqualified()),
            ("account", format!("{} {}", self.account.id, target.region)),
            ("you are", self.account.caller.clone()),
            ("case", self.case.first().case_id.to_string()),
            ("vault", self.opened.place.to_string()),
        ] {
            writeln!(out, "  {name:<10}{}", shown(&value, 300))?;
        }
        if let Some((containment, _)) = &survey.unfinished {
            let number = containment.number;
            writeln!(
                out,
                "\nContainment {number} broke off; what is left of it is done first."
            )?;
        }
        writeln!(out, "\nThis will be changed, in this order:")?;
        told(out, &survey.changes())?;
        for left in &survey.left {
            writeln!(out, "  {} {}", Tone::Faint.paint("left:"), shown(left, 500))?;
        }
        writeln!(
            out,
            "\nFirst the function is sealed as it is now, and what is about to be done; if that\n\
             fails, nothing is changed. A deployed coldcase sees these calls like anybody's\n\
             and opens a case for them."
        )
    }

    /// The answer, and the exit code that goes with it.
    pub fn answer(
        &self,
        verb: &str,
        survey: &Survey,
        outcome: Option<&Outcome>,
        output: &Output,
    ) -> Result<ExitCode> {
        let nothing = Outcome::default();
        let came = outcome.unwrap_or(&nothing);
        let intended = survey.changes();
        let id = &self.case.first().case_id;
        let complete = outcome.is_some_and(Outcome::is_complete) && came.differs.is_empty()
            || survey.is_empty();
        let answer = Answer {
            case_id: id,
            vault: self.opened.place.raw(),
            function: self.target().id_unqualified(),
            account: &self.account.id,
            region: &self.target().region,
            caller: &self.account.caller,
            by: &self.by,
            dry_run: outcome.is_none() && !survey.is_empty(),
            complete,
            containment: came.containment,
            released: &survey.released,
            record: survey.record,
            preserved: came.preserved,
            newly_preserved: came.newly_preserved,
            changes: if outcome.is_some() {
                &came.changes
            } else {
                &intended
            },
            left: &survey.left,
            differs: &came.differs,
            not_compared: &came.not_compared,
            addenda: &came.addenda,
        };
        output.answer(&answer, |out| match outcome {
            None if survey.is_empty() => {
                writeln!(
                    out,
                    "There is nothing to change: the function is so already."
                )?;
                left(out, &survey.left)
            }
            None => {
                self.show(out, verb, survey)?;
                writeln!(out, "\nNothing was changed: this was a dry run.")
            }
            Some(came) => self.done(out, verb, survey, came),
        })?;
        match &came.stopped {
            None if complete || outcome.is_none() => Ok(ExitCode::SUCCESS),
            Some(refused @ (Refused::Denied { .. } | Refused::Gone))
                if came.changes.iter().all(|change| change.not_done.is_some()) =>
            {
                Err(refusal(refused))
            }
            _ => Ok(ExitCode::from(1)),
        }
    }

    fn done(
        &self,
        out: &mut dyn Write,
        verb: &str,
        survey: &Survey,
        came: &Outcome,
    ) -> io::Result<()> {
        let name = shown(&self.target().name, 140);
        let undone = came
            .changes
            .iter()
            .filter(|it| it.not_done.is_some())
            .count();
        let all = came.changes.len();
        match undone {
            0 => writeln!(out, "{}", Tone::Good.paint(format!("{name}: {verb}: done")))?,
            _ => {
                let line = format!("{name}: {verb}: {} of {all} changes made", all - undone);
                writeln!(out, "{}", Tone::Bad.paint(line))?;
            }
        }
        told(out, &came.changes)?;
        left(out, &survey.left)?;
        if let Some(preserved) = came.preserved {
            let when = if came.newly_preserved {
                "just now"
            } else {
                "before"
            };
            writeln!(
                out,
                "\nAs it was: sealed {when}, in manifest {preserved} of the case."
            )?;
        }
        for envelope in &came.addenda {
            writeln!(out, "Sealed: {}", shown(envelope, 200))?;
        }
        if came.containment.is_some() {
            let id = &self.case.first().case_id;
            let command = desk::command(&self.options, &["release", id.as_str()]);
            writeln!(out, "Undo it with: {command}")?;
            return Ok(());
        }
        match came.differs.is_empty() {
            true => writeln!(
                out,
                "{}",
                Tone::Good.paint("Compared with how it was before: nothing differs.")
            )?,
            false => {
                writeln!(out, "{}", Tone::Bad.paint("Not as it was before:"))?;
                for one in &came.differs {
                    writeln!(out, "  {}", shown(one, 200))?;
                }
            }
        }
        for gap in &came.not_compared {
            writeln!(out, "  not compared: {}", shown(gap, 300))?;
        }
        Ok(())
    }
}

fn left(out: &mut dyn Write, left: &[String]) -> io::Result<()> {
    for one in left {
        writeln!(out, "  {} {}", Tone::Faint.paint("left:"), shown(one, 500))?;
    }
    Ok(())
}

impl Consent {
    /// Why, in somebody's words.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether nothing is to be changed.
    pub const fn is_dry(&self) -> bool {
        self.dry_run
    }
}

/// Seals nothing.
struct Nobody;

#[async_trait]
impl Ledger for Nobody {
    async fn intend(&self, _: &CaseId, _: &Intent) -> Result<Intended, ContainError> {
        Err(ContainError::Ledger("nobody agreed to it".to_owned()))
    }

    async fn conclude(&self, _: &CaseId, _: &CustodyAction) -> Result<u32, ContainError> {
        Err(ContainError::Ledger("nobody agreed to it".to_owned()))
    }
}

/// The stack's own function seals, with the stack's key, into the stack's bucket.
struct OfStack {
    lambda: aws_sdk_lambda::Client,
    function: String,
}

impl OfStack {
    async fn ask(&self, step: Value) -> Result<Value, ContainError> {
        let ledger = |why: String| ContainError::Ledger(why);
        let answer = self
            .lambda
            .invoke()
            .function_name(&self.function)
            .payload(Blob::new(step.to_string()))
            .send()
            .await
            .map_err(|error| {
                let error = desk::refused("lambda:InvokeFunction", Some("ContainPolicy"), &error);
                ledger(format!(
                    "the stack's function {} cannot be asked to seal: {error}",
                    self.function
                ))
            })?;
        let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        let payload: Value = serde_json::from_slice(payload)
            .map_err(|error| ledger(format!("the stack's function answered no JSON: {error}")))?;
        if answer.function_error().is_none() {
            return Ok(payload);
        }
        let text = |name: &str| {
            payload
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let what = shown(text("errorMessage"), 600);
        Err(match text("errorType") {
            "BadInput" => ledger(format!(
                "the stack's function does not take this ({what}); if the stack is older than this \
                 program, deploy it anew"
            )),
            _ => ledger(what),
        })
    }
}

#[async_trait]
impl Ledger for OfStack {
    async fn intend(&self, case: &CaseId, intent: &Intent) -> Result<Intended, ContainError> {
        let step = json!({ "intend": { "case_id": case, "intent": intent } });
        serde_json::from_value(self.ask(step).await?).map_err(unreadable)
    }

    async fn conclude(&self, case: &CaseId, came: &CustodyAction) -> Result<u32, ContainError> {
        let step = json!({ "conclude": { "case_id": case, "came": came } });
        serde_json::from_value(self.ask(step).await?).map_err(unreadable)
    }
}

fn unreadable(error: serde_json::Error) -> ContainError {
    ContainError::Ledger(format!(
        "the answer of the stack's function cannot be read: {error}"
    ))
}

/// Each change: before and after.
fn told(out: &mut dyn Write, changes: &[TargetChange]) -> io::Result<()> {
    let width = Output::columns().saturating_sub(14).max(30);
    for change in changes {
        writeln!(out, "  {}", Tone::Strong.paint(shown(&change.what, 120)))?;
        for (name, value) in [("before", &change.before), ("after", &change.after)] {
            let mut first = name;
            for line in lines(value) {
                writeln!(out, "    {first:<8}{}", shown(&line, width))?;
                first = "";
            }
        }
        if let Some(why) = &change.not_done {
            let line = format!("not done: {}", shown(why, 400));
            writeln!(out, "    {}", Tone::Bad.paint(line))?;
        }
    }
    Ok(())
}

/// A value, one line each of what it holds.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Null => vec!["none".to_owned()],
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items = items.iter().filter_map(Value::as_str);
            items.map(str::to_owned).collect()
        }
        Value::Object(fields) => match fields.get("variables").and_then(Value::as_array) {
            Some(names) if fields.len() == 1 => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                vec![format!("{} (values withheld)", names.join(", "))]
            }
            _ => fields
                .iter()
                .map(|(name, value)| match value {
                    Value::String(text) => format!("{name}: {text}"),
                    other => format!("{name}: {other}"),
                })
                .collect(),
        },
        other => vec![other.to_string()],
    }
}

/// Somebody's words: some, not too many, on one line.
fn words<'a>(option: &str, text: Option<&'a str>, longest: usize) -> Result<Option<String>> {
    let Some(text): Option<&'a str> = text else {
        return Ok(None);
    };
    let why = if text.trim().is_empty() {
        "is empty"
    } else if text.chars().count() > longest {
        "is too long"
    } else if text.chars().any(char::is_control) {
        "holds control characters; write it on one line"
    } else {
        return Ok(Some(text.to_owned()));
    };
    Err(Failure::new(Kind::Usage, format!("{option} {why}")))
}

/// What went wrong, by its kind.
pub fn failed(error: ContainError) -> anyhow::Error {
    let what = error.to_string();
    match error {
        ContainError::Vault(error) => error.into(),
        ContainError::Seal(error) => desk::sealing(error),
        ContainError::Refused(refused) => refusal(&refused),
        ContainError::NotPreserved(_) | ContainError::Ledger(_) => Failure::new(Kind::Access, what),
        ContainError::Evidence(_) => Failure::new(Kind::Vault, what),
        ContainError::Impossible(_) | ContainError::Code(_) | ContainError::BadIntent(_) => {
            Failure::new(Kind::Usage, what)
        }
    }
}

fn refusal(refused: &Refused) -> anyhow::Error {
    match refused {
        Refused::Gone => Failure::new(
            Kind::Absent,
            "there is no such function any more; nothing was changed",
        ),
        Refused::Denied { permission, .. } => Failure::new(
            Kind::Access,
            format!(
                "{refused}; nothing was changed: your role lacks {permission}, which the policy \
                 ContainPolicy of the stack holds"
            ),
        ),
        other => Failure::new(Kind::Access, format!("{other}; nothing was changed")),
    }
}

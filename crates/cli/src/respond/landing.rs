//! What is shown while it happens: each artifact as it lands, and how far long steps are. For people, on
//! standard error; bars on a terminal only, and nothing at all where quiet is wanted.

use crate::desk::{Output, Tone};
use evidence::{Acquisition, CaseId, Outcome, Request, shown};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Shows, and remembers which cases were begun.
pub struct Landing {
    output: Output,
    bars: MultiProgress,
    draws: bool,
    begun: Mutex<Vec<CaseId>>,
}

impl Landing {
    /// Shows as the options want it.
    pub fn new(output: Output) -> Self {
        let draws = output.draws();
        Self {
            output,
            bars: MultiProgress::with_draw_target(match draws {
                true => ProgressDrawTarget::stderr(),
                false => ProgressDrawTarget::hidden(),
            }),
            draws,
            begun: Mutex::default(),
        }
    }

    /// A line that stays.
    pub fn say(&self, line: fmt::Arguments<'_>) {
        if !self.draws {
            self.output.remark(line);
            return;
        }
        let mut text = line.to_string();
        if anstream::AutoStream::choice(&io::stderr()) == anstream::ColorChoice::Never {
            text = anstream::adapter::strip_str(&text).to_string();
        }
        // Nobody to tell is no failure.
        let _ = self.bars.println(text);
    }

    /// A case is worked on from here on; it is said once.
    pub fn begin(&self, id: &CaseId) {
        {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            if begun.contains(id) {
                return;
            }
            begun.push(id.clone());
        }
        self.say(format_args!(
            "case       {}",
            Tone::Strong.paint(id.as_str())
        ));
    }

    /// A case is sealed: of which target, and what came of tracing.
    pub fn sealed(&self, id: &CaseId, target: &str, tracing: Option<&str>) {
        self.begin(id);
        self.say(format_args!("sealed     {}", shown(target, 200)));
        if let Some(tracing) = tracing {
            self.say(format_args!("tracing    {}", shown(tracing, 300)));
        }
    }

    /// The cases that were begun, in order.
    pub fn begun(&self) -> Vec<CaseId> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.clone()
    }

    /// An artifact came in, or did not, and why.
    pub fn acquisition(&self, acquisition: &Acquisition) {
        let size: u64 = acquisition.exhibits.iter().map(|it| it.size_bytes).sum();
        let detail = match acquisition.result.why() {
            Some(why) => why.to_owned(),
            None => size_of(size),
        };
        self.artifact(
            outcome(&acquisition.result),
            &name_of(&acquisition.request, 34),
            &detail,
        );
    }

    /// A line of an artifact: how it went in one word, its name, and what there is to say.
    pub fn artifact(&self, (word, tone): (&str, Tone), name: &str, detail: &str) {
        // Two blanks, nine and a blank for the word, the name and two blanks.
        let room = Output::columns().saturating_sub(14 + 34);
        self.say(format_args!(
            "  {}{} {:<34}  {}",
            tone.paint(word),
            " ".repeat(9usize.saturating_sub(word.len())),
            shown(name, 34),
            shown(detail, room.max(12)),
        ));
    }

    /// A step that may take long: a moving line until it is dropped.
    pub fn step(&self, what: &str) -> Step {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("  {spinner} {prefix} {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(shown(what, 60));
        if self.draws {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Step(bar)
    }

    /// Something that is on its way into the vault: how much of it, how fast, how long still.
    pub fn transfer(&self, what: &str, size_bytes: Option<u64>) -> Step {
        let template = match size_bytes {
            Some(_) => {
                "  {prefix:<24} {bar:16} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>10} {eta:>4}"
            }
            None => "  {prefix:<24} {spinner} {bytes:>10} {bytes_per_sec:>12}",
        };
        let bar = self.bars.add(match size_bytes {
            Some(size) => ProgressBar::new(size),
            None => ProgressBar::new_spinner(),
        });
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(shown(what, 24));
        Step(bar)
    }
}

/// A line that moves until it is dropped.
pub struct Step(ProgressBar);

impl Step {
    /// Where it is.
    pub fn at(&self, where_: &str) {
        self.0.set_message(shown(where_, 60));
    }

    /// More bytes have passed.
    pub fn passed(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// An outcome in one word, and how it stands out.
pub const fn outcome(outcome: &Outcome) -> (&'static str, Tone) {
    let tone = match outcome {
        Outcome::Acquired => Tone::Good,
        Outcome::Absent { .. } => Tone::Faint,
        Outcome::Partial { .. } => Tone::Warn,
        Outcome::Denied { .. } | Outcome::Failed { .. } => Tone::Bad,
    };
    (outcome.as_str(), tone)
}

/// What was asked for, in `longest` characters: of an ARN the end tells more than the beginning.
pub fn name_of(request: &Request, longest: usize) -> String {
    let Some(selector) = &request.selector else {
        return request.artifact.as_str().to_owned();
    };
    let mut fields: Vec<&str> = match selector.starts_with("arn:") {
        true => selector.splitn(7, ':').skip(5).collect(),
        false => vec![selector],
    };
    // The kind of an ARN's resource says what the artifact's name says.
    if fields.len() > 1 {
        fields.remove(0);
    }
    shown(
        &format!("{} {}", request.artifact.as_str(), fields.join(":")),
        longest,
    )
}

/// Bytes, as people read them.
pub fn size_of(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

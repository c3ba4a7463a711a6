//! The sections of the page, from the verdict to the chain.

use super::escape::esc;
use super::{badge, counted, figure, gaps, pictures, size, sureness, time};
use crate::{
    Acquired, Differences, FileDifference, Noticed, PartDifference, Report, TextDifference, Touched,
};
use evidence::{Proof, Severity, shown};
use std::fmt::{self, Display};
use std::io::{self, Write};

/// What stands above everything: whose case this is, and the way around.
pub(super) fn header(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<header class=\"top\"><p class=\"brand\">coldcase</p><p class=\"id\">{}</p>\n<nav aria-label=\"Sections\"><ul>",
        esc(report.case_id.as_str())
    )?;
    let failed = report.acquisitions.acquired.iter();
    let failed = failed.filter(|one| !matches!(one.outcome, "acquired" | "absent"));
    for (id, name, count) in [
        ("glance", "Glance", None),
        ("timeline", "Timeline", Some(report.timeline.told)),
        ("differences", "Differences", None),
        (
            "findings",
            "Findings",
            Some((report.findings.findings.len() + report.findings.more) as u64),
        ),
        ("role", "Role", None),
        ("invocations", "Invocations", None),
        (
            "acquisitions",
            "Acquisitions",
            Some(failed.count() as u64).filter(|count| *count > 0),
        ),
        ("custody", "Custody", None),
        ("chain", "Verify", None),
    ] {
        write!(out, "<li><a href=\"#{id}\">{name}")?;
        if let Some(count) = count {
            write!(out, " <span class=\"n\">{}</span>", figure(count))?;
        }
        writeln!(out, "</a></li>")?;
    }
    writeln!(out, "</ul></nav></header>")
}

/// The verdict, which is all that many will read.
pub(super) fn verdict(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Some(verdict) = &report.verdict else {
        let worst = report.findings.findings.first();
        return writeln!(
            out,
            "<section class=\"verdict {}\" aria-labelledby=\"verdict-h\"><p class=\"over\">Not examined yet</p>\
             <h1 id=\"verdict-h\">{}</h1><p>The evidence is sealed. The verdict comes with the examination.</p></section>",
            worst.map_or("info", |worst| class(worst.finding.severity)),
            esc(&headline(report))
        );
    };
    let class = match verdict.expected {
        true => "expected",
        false => class(verdict.severity),
    };
    write!(
        out,
        "<section class=\"verdict {class}\" aria-labelledby=\"verdict-h\"><p class=\"over\">{} <span>{}</span>{}</p>\
         <h1 id=\"verdict-h\">{}</h1><p class=\"line\">{}</p>",
        badge(verdict.severity),
        sureness(verdict.confidence),
        match verdict.expected {
            true => " <span class=\"badge good\">Expected change</span>",
            false => "",
        },
        esc(&headline(report)),
        esc(&verdict.line)
    )?;
    if !verdict.changed.is_empty() {
        write!(
            out,
            "<h2 class=\"small\">What changed</h2><ul class=\"changed\">"
        )?;
        for change in verdict.changed.iter().take(12) {
            write!(out, "<li>{}</li>", esc(&brief(change)))?;
        }
        if verdict.changed.len() > 12 {
            write!(
                out,
                "<li>and {} more: see <a href=\"#differences\">the differences</a></li>",
                verdict.changed.len() - 12
            )?;
        }
        write!(out, "</ul>")?;
    }
    writeln!(out, "</section>")
}

/// What happened, in as few words as it takes.
fn headline(report: &Report) -> String {
    let glance = &report.glance;
    let Some(event) = &glance.event else {
        return format!("{} was preserved because a person asked", glance.name);
    };
    let mut line = format!("{} on {}", trail::base_name(event), glance.name);
    if let Some(principal) = &glance.principal {
        let name = principal.rsplit(':').next().unwrap_or(principal);
        line.push_str(&format!(", by {name}"));
    }
    if let Some(address) = &glance.address {
        line.push_str(&format!(" from {address}"));
    }
    shown(&line, 200)
}

/// Digests by their beginnings: what differs is seen sooner, and the whole is told below.
fn brief(text: &str) -> String {
    let mut told = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let digits = rest[start..].find(|c: char| !c.is_ascii_hexdigit());
        let end = digits.map_or(rest.len(), |digits| start + digits);
        match end - start {
            40.. => {
                told.push_str(&rest[..start + 12]);
                told.push('…');
            }
            _ => told.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    told + rest
}

const fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// Who, what, when, where.
pub(super) fn glance(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let glance = &report.glance;
    writeln!(
        out,
        "<section id=\"glance\" aria-labelledby=\"glance-h\"><h2 id=\"glance-h\">At a glance</h2>\n<dl class=\"glance\">"
    )?;
    let none = "not recorded";
    let who = match (&glance.principal, &report.verdict) {
        (Some(principal), _) => principal.as_str(),
        (None, Some(verdict)) => verdict.by.as_deref().unwrap_or(none),
        (None, None) => none,
    };
    fact("Who", &esc(who), out)?;
    let address = match (&glance.address, &report.verdict) {
        (Some(address), _) => address.as_str(),
        (None, Some(verdict)) => verdict.from.as_deref().unwrap_or(none),
        (None, None) => none,
    };
    fact("From", &esc(address), out)?;
    match (&glance.event, &glance.reason) {
        (Some(event), _) => {
            let what = fmt::from_fn(|f| {
                write!(f, "<code>{}</code>", esc(event))?;
                if let Some(category) = &glance.category {
                    write!(f, " <span class=\"dim\">{}</span>", esc(category))?;
                }
                if let Some(technique) = &glance.technique {
                    write!(
                        f,
                        " <span class=\"tag\">ATT&amp;CK {}</span>",
                        esc(technique)
                    )?;
                }
                Ok(())
            });
            fact("Did", &what, out)?;
        }
        (None, Some(reason)) => fact("Asked because", &esc(reason), out)?,
        (None, None) => {}
    }
    fact(
        "When",
        &fmt::from_fn(|f| write!(f, "{} UTC", time(glance.occurred_at))),
        out,
    )?;
    let target = fmt::from_fn(|f| {
        write!(
            f,
            "<strong>{}</strong> <span class=\"dim\">{}</span>",
            esc(&glance.name),
            esc(&glance.kind)
        )
    });
    fact("To what", &target, out)?;
    let place = fmt::from_fn(|f| write!(f, "{} · {}", esc(&glance.account), esc(&glance.region)));
    fact("Where", &place, out)?;
    fact(
        "ARN",
        &fmt::from_fn(|f| write!(f, "<code>{}</code>", esc(&glance.arn))),
        out,
    )?;
    fact(
        "Trigger",
        &fmt::from_fn(|f| write!(f, "<code>{}</code>", esc(&glance.id))),
        out,
    )?;
    let sealed = fmt::from_fn(|f| {
        let after = glance.sealed_at.as_millisecond() - glance.occurred_at.as_millisecond();
        write!(f, "{} UTC", time(glance.sealed_at))?;
        if after >= 0 {
            write!(
                f,
                " <span class=\"dim\">{} after the event, by {}</span>",
                after_words(after),
                esc(&glance.program)
            )?;
        }
        Ok(())
    });
    fact("Sealed", &sealed, out)?;
    let outcomes = fmt::from_fn(|f| {
        let mut comma = "";
        for outcome in ["acquired", "partial", "absent", "denied", "failed"] {
            if let Some(count) = report.acquisitions.outcomes.get(outcome) {
                write!(f, "{comma}{} {outcome}", figure(*count as u64))?;
                comma = ", ";
            }
        }
        Ok(())
    });
    fact("Evidence", &outcomes, out)?;
    writeln!(out, "</dl>")?;
    worst(report, out)?;
    writeln!(out, "</section>")
}

fn after_words(millis: i64) -> String {
    match millis / 1000 {
        ..120 => format!("{:.1} s", millis as f64 / 1000.0),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn fact(name: &str, value: &impl Display, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")
}

/// The three worst findings, with what to do.
fn worst(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut told = Vec::new();
    let findings = report.findings.findings.iter().enumerate();
    for (place, noticed) in findings.filter(|(_, it)| it.finding.severity >= Severity::High) {
        if !told
            .iter()
            .any(|(_, other): &(usize, &Noticed)| other.finding.rule == noticed.finding.rule)
        {
            told.push((place, noticed));
        }
        if told.len() == 3 {
            break;
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>Look here first</h3><ol class=\"first\">")?;
    for (place, noticed) in told {
        let finding = &noticed.finding;
        write!(
            out,
            "<li><a href=\"#finding-{place}\">{}</a>",
            esc(&finding.statement)
        )?;
        if let Some(advice) = &finding.advice {
            write!(out, " <span class=\"advice\">{}</span>", esc(advice))?;
        }
        writeln!(out, "</li>")?;
    }
    writeln!(out, "</ol>")
}

/// Every finding with its proof.
pub(super) fn findings(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let findings = &report.findings;
    writeln!(
        out,
        "<section id=\"findings\" aria-labelledby=\"findings-h\"><h2 id=\"findings-h\">Findings</h2>"
    )?;
    if findings.findings.is_empty() {
        writeln!(out, "<p class=\"lead\">Nothing was noticed.</p>")?;
    }
    for (place, noticed) in findings.findings.iter().enumerate() {
        finding(place, noticed, out)?;
    }
    if findings.more > 0 {
        writeln!(
            out,
            "<p class=\"note\">{} more findings, none worse than these, are in the manifests.</p>",
            figure(findings.more as u64)
        )?;
    }
    writeln!(out, "</section>")
}

fn finding(place: usize, noticed: &Noticed, out: &mut impl Write) -> io::Result<()> {
    let finding = &noticed.finding;
    write!(
        out,
        "<article class=\"finding {}\" id=\"finding-{place}\" aria-labelledby=\"finding-{place}-h\">\
         <p class=\"meta\">{} <span>{}</span> <code>{}</code>",
        class(finding.severity),
        badge(finding.severity),
        sureness(finding.confidence),
        esc(&finding.rule),
    )?;
    if let Some(technique) = &finding.technique {
        write!(
            out,
            " <span class=\"tag\">ATT&amp;CK {}</span>",
            esc(technique)
        )?;
    }
    if let Some(sequence) = noticed.sequence {
        write!(out, " <span class=\"dim\">manifest {sequence:04}</span>")?;
    }
    write!(
        out,
        "</p><h3 id=\"finding-{place}-h\">{}</h3>",
        esc(&finding.statement)
    )?;
    if let Some(advice) = &finding.advice {
        write!(out, "<p class=\"advice\">{}</p>", esc(advice))?;
    }
    let (first, rest) = finding.proof.split_at(finding.proof.len().min(3));
    if !first.is_empty() {
        write!(out, "<ul class=\"proof\">")?;
        for one in first {
            proof(one, out)?;
        }
        write!(out, "</ul>")?;
    }
    if !rest.is_empty() {
        write!(
            out,
            "<details><summary>{} more to prove it</summary><ul class=\"proof\">",
            rest.len()
        )?;
        for one in rest {
            proof(one, out)?;
        }
        write!(out, "</ul></details>")?;
    }
    writeln!(out, "</article>")
}

fn proof(proof: &Proof, out: &mut impl Write) -> io::Result<()> {
    write!(out, "<li><span class=\"where\">{}", esc(&proof.exhibit))?;
    if let Some(path) = &proof.path {
        write!(out, " › {}", esc(path))?;
    }
    if let Some(line) = proof.line {
        write!(out, " : {line}")?;
    }
    write!(out, "</span>")?;
    if let Some(excerpt) = &proof.excerpt {
        write!(out, "<code class=\"excerpt\">{}</code>", esc(excerpt))?;
    }
    write!(out, "</li>")
}

/// What is different from the last known good.
pub(super) fn differences(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"differences\" aria-labelledby=\"differences-h\"><h2 id=\"differences-h\">Differences</h2>"
    )?;
    match &report.differences {
        None => writeln!(
            out,
            "<p class=\"lead\">Nothing was compared: no examination has found a record of this function as it was known to be good.</p>"
        )?,
        Some(differences) => compared(differences, out)?,
    }
    writeln!(out, "</section>")
}

fn compared(differences: &Differences, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<p class=\"lead\">Beside the function as it was recorded as good"
    )?;
    if let Some(recorded_at) = differences.recorded_at {
        write!(out, " at {} UTC", time(recorded_at))?;
    }
    writeln!(out, ".</p>")?;
    gaps(&differences.gaps, out)?;
    if differences.is_empty() && differences.gaps.is_empty() {
        writeln!(out, "<p>Nothing is different.</p>")?;
    }
    if !differences.settings.is_empty() {
        settings(differences, out)?;
    }
    for part in &differences.parts {
        package(part, out)?;
    }
    if differences.tracing_turned_on_by_coldcase {
        writeln!(
            out,
            "<p class=\"note\">Tracing is on and was not before: coldcase turned it on, so it does not count.</p>"
        )?;
    }
    if !differences.not_compared.is_empty() {
        write!(out, "<div class=\"note\"><p>Not compared:</p><ul>")?;
        for gap in &differences.not_compared {
            write!(out, "<li>{}</li>", esc(gap))?;
        }
        writeln!(out, "</ul></div>")?;
    }
    Ok(())
}

fn settings(differences: &Differences, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<h3>Settings</h3><div class=\"scroll\" role=\"region\" aria-label=\"Settings that are different\" tabindex=\"0\"><table class=\"settings\">\
         <thead><tr><th scope=\"col\">Severity</th><th scope=\"col\">Of what</th><th scope=\"col\">Before</th><th scope=\"col\">Now</th></tr></thead><tbody>"
    )?;
    for setting in &differences.settings {
        write!(
            out,
            "<tr><td>{}</td><th scope=\"row\">{}</th>",
            badge(setting.severity),
            esc(&setting.subject)
        )?;
        for (class, value, none) in [
            ("gone", &setting.before, "was not there"),
            ("come", &setting.after, "is not there"),
        ] {
            match value {
                Some(value) => write!(
                    out,
                    "<td class=\"{class}\"><code>{}</code></td>",
                    esc(value)
                )?,
                None => write!(out, "<td class=\"dim\">{none}</td>")?,
            }
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if differences.more_settings > 0 {
        writeln!(
            out,
            "<p class=\"note\">{} more are in {}.</p>",
            differences.more_settings,
            esc(&differences.exhibit)
        )?;
    }
    Ok(())
}

fn package(part: &PartDifference, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<h3>Package <code>{}</code></h3><p class=\"dim\">{} changed, {} added, {} removed, {} moved</p>\
         <p class=\"hash\"><span>before</span> <code>{}</code><br><span>now</span> <code>{}</code></p>",
        esc(&part.part),
        figure(part.changed as u64),
        figure(part.added as u64),
        figure(part.removed as u64),
        figure(part.moved as u64),
        part.before_sha256,
        part.after_sha256,
    )?;
    if let Some(why) = &part.not_compared {
        writeln!(
            out,
            "<p class=\"note\">It is another one than before, and could not be compared: {}</p>",
            esc(why)
        )?;
    }
    if !part.files.is_empty() {
        write!(
            out,
            "<details{}><summary>{}</summary><div class=\"scroll\" role=\"region\" aria-label=\"Files that are different\" tabindex=\"0\"><table>\
             <thead><tr><th scope=\"col\">File</th><th scope=\"col\">What</th><th scope=\"col\">Kind</th>\
             <th scope=\"col\" class=\"num\">Before</th><th scope=\"col\" class=\"num\">Now</th></tr></thead><tbody>",
            if part.files.len() <= 12 { " open" } else { "" },
            counted((part.files.len() + part.more_files) as u64, "file", "files")
        )?;
        for one in &part.files {
            file(one, out)?;
        }
        writeln!(out, "</tbody></table></div>")?;
        if part.more_files > 0 {
            writeln!(
                out,
                "<p class=\"note\">{} more are in the exhibits <code>difference-…</code>.</p>",
                figure(part.more_files as u64)
            )?;
        }
        writeln!(out, "</details>")?;
    }
    for (place, one) in part.texts.iter().enumerate() {
        text(one, place < 4, out)?;
    }
    if part.more_texts > 0 {
        writeln!(
            out,
            "<p class=\"note\">What changed in {} is in the exhibits <code>difference-…</code>.</p>",
            counted(part.more_texts as u64, "more text", "more texts")
        )?;
    }
    Ok(())
}

fn file(file: &FileDifference, out: &mut impl Write) -> io::Result<()> {
    let (class, word) = match file.touched {
        Touched::Changed => ("changed", "changed"),
        Touched::Added => ("come", "added"),
        Touched::Removed => ("gone", "removed"),
        Touched::Moved => ("changed", "moved"),
    };
    write!(
        out,
        "<tr><th scope=\"row\"><code>{}</code>",
        esc(&file.path)
    )?;
    if let Some(from) = &file.from {
        write!(out, " <span class=\"dim\">from {}</span>", esc(from))?;
    }
    write!(
        out,
        "</th><td><span class=\"mark {class}\">{word}</span></td><td>{}</td>",
        esc(&file.kind)
    )?;
    for bytes in [file.before_bytes, file.after_bytes] {
        let bytes = bytes.map(size).unwrap_or_default();
        write!(out, "<td class=\"num\">{bytes}</td>")?;
    }
    writeln!(out, "</tr>")
}

/// A text, before and now, side by side.
fn text(text: &TextDifference, is_open: bool, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<details{}><summary><code>{}</code></summary>",
        if is_open { " open" } else { "" },
        esc(&text.path)
    )?;
    if !text.lines.is_empty() {
        write!(
            out,
            "<div class=\"scroll\" role=\"region\" aria-label=\"What changed in {}\" tabindex=\"0\"><table class=\"sides\">\
             <thead><tr><th scope=\"col\" class=\"num\"><span class=\"sr\">Line before</span></th><th scope=\"col\">Before</th>\
             <th scope=\"col\" class=\"num\"><span class=\"sr\">Line now</span></th><th scope=\"col\">Now</th></tr></thead><tbody>",
            esc(&text.path)
        )?;
        for line in &text.lines {
            if line.before.is_none() && line.after.is_none() {
                write!(out, "<tr class=\"apart\"><td colspan=\"4\">⋯</td></tr>")?;
                continue;
            }
            let is_same = line.before == line.after;
            write!(out, "<tr>")?;
            for (class, number, side) in [
                ("gone", line.before_number, &line.before),
                ("come", line.after_number, &line.after),
            ] {
                let number = number.map(|number| number.to_string()).unwrap_or_default();
                match side {
                    Some(side) => write!(
                        out,
                        "<td class=\"num\">{number}</td><td class=\"line{}{}\">{}</td>",
                        if is_same { "" } else { " " },
                        if is_same { "" } else { class },
                        esc(side)
                    )?,
                    None => write!(out, "<td class=\"num\"></td><td class=\"line none\"></td>")?,
                }
            }
            write!(out, "</tr>")?;
        }
        writeln!(out, "</tbody></table></div>")?;
    }
    for place in &text.places {
        write!(
            out,
            "<p class=\"place\"><span class=\"dim\">line {}, column {}</span><code class=\"gone\">{}</code><code class=\"come\">{}</code></p>",
            place.line,
            place.column,
            esc(&place.before),
            esc(&place.after)
        )?;
    }
    if text.is_cut {
        writeln!(
            out,
            "<p class=\"note\">More of it differs than stands here: see the exhibits <code>difference-…</code>.</p>"
        )?;
    }
    writeln!(out, "</details>")
}

/// What the role did, and who called what.
pub(super) fn role_activity(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"role\" aria-labelledby=\"role-h\"><h2 id=\"role-h\">Role activity</h2>"
    )?;
    let Some(activity) = &report.role_activity else {
        return writeln!(
            out,
            "<p class=\"lead\">Not looked into yet: the first pass over the window brings it.</p></section>"
        );
    };
    let when = report.glance.occurred_at;
    write!(
        out,
        "<p class=\"lead\">{} with the function’s credentials, {} of which failed",
        counted(activity.calls, "call", "calls"),
        figure(activity.failed_calls)
    )?;
    if let (Some(first), Some(last)) = (activity.first_at, activity.last_at) {
        write!(out, ", from {} to {} UTC", time(first), time(last))?;
    }
    writeln!(out, ".</p>")?;
    gaps(&activity.gaps, out)?;
    pictures::services(activity, when, out)?;
    if !activity.marks.is_empty() {
        writeln!(out, "<h3>What stands out</h3><ul class=\"marks\">")?;
        for mark in &activity.marks {
            writeln!(
                out,
                "<li>{} {} <span class=\"dim\">{}</span></li>",
                badge(mark.severity),
                esc(&mark.statement),
                sureness(mark.confidence)
            )?;
        }
        writeln!(out, "</ul>")?;
        if activity.more_marks > 0 {
            writeln!(
                out,
                "<p class=\"note\">{} more are in the exhibit <code>role-activity-…-summary</code>.</p>",
                figure(activity.more_marks)
            )?;
        }
    }
    if !activity.callers.nodes.is_empty() {
        writeln!(out, "<h3 id=\"callers\">Who called what</h3>")?;
        pictures::callers(&activity.callers, out)?;
        ways(report, out)?;
    }
    if !activity.services.is_empty() {
        writeln!(
            out,
            "<details><summary>Calls by service</summary><div class=\"scroll\" role=\"region\" aria-label=\"Calls by service\" tabindex=\"0\"><table>\
             <thead><tr><th scope=\"col\">Service</th><th scope=\"col\" class=\"num\">Calls</th><th scope=\"col\" class=\"num\">Failed</th><th scope=\"col\">Actions</th></tr></thead><tbody>"
        )?;
        for service in &activity.services {
            write!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"w\">",
                esc(&service.service),
                figure(service.calls),
                figure(service.failed_calls)
            )?;
            for (place, action) in service.actions.iter().enumerate() {
                let comma = if place > 0 { ", " } else { "" };
                write!(
                    out,
                    "{comma}{} ×{}",
                    esc(&action.action),
                    figure(action.calls)
                )?;
            }
            if service.more_actions > 0 {
                write!(out, " and {} more", service.more_actions)?;
            }
            writeln!(out, "</td></tr>")?;
        }
        writeln!(out, "</tbody></table></div></details>")?;
    }
    writeln!(out, "</section>")
}

/// The map of callers in words.
fn ways(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Some(activity) = &report.role_activity else {
        return Ok(());
    };
    let callers = &activity.callers;
    writeln!(
        out,
        "<details><summary>The map in words</summary><div class=\"scroll\" role=\"region\" aria-label=\"Who called what\" tabindex=\"0\"><table>\
         <thead><tr><th scope=\"col\">From or as</th><th scope=\"col\">As or to</th><th scope=\"col\" class=\"num\">Calls</th><th scope=\"col\" class=\"num\">Failed</th></tr></thead><tbody>"
    )?;
    for edge in &callers.edges {
        if let Some((from, to)) = callers.nodes.get(edge.from).zip(callers.nodes.get(edge.to)) {
            writeln!(
                out,
                "<tr><td class=\"w\">{}</td><td class=\"w\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>",
                esc(&from.name),
                esc(&to.name),
                figure(edge.calls),
                figure(edge.failed_calls)
            )?;
        }
    }
    writeln!(out, "</tbody></table></div></details>")
}

/// How often the function ran, and how it went.
pub(super) fn invocations(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"invocations\" aria-labelledby=\"invocations-h\"><h2 id=\"invocations-h\">Invocations</h2>"
    )?;
    let Some(invocations) = &report.invocations else {
        return writeln!(
            out,
            "<p class=\"lead\">No log of invocations is in the case.</p></section>"
        );
    };
    writeln!(
        out,
        "<p class=\"lead\">{}, {} failed, {} in a new environment, the longest {} ms. By the function’s own logs, which whoever holds its credentials can write to.</p>",
        counted(invocations.invocations, "invocation", "invocations"),
        figure(invocations.failed),
        figure(invocations.cold_starts),
        figure(invocations.longest_ms)
    )?;
    gaps(&invocations.gaps, out)?;
    if invocations.ambiguous > 0 {
        writeln!(
            out,
            "<p class=\"note\">{} carry signs of a forged log.</p>",
            figure(invocations.ambiguous)
        )?;
    }
    pictures::invocations(invocations, report.glance.occurred_at, out)?;
    if !invocations.notable.is_empty() {
        writeln!(
            out,
            "<details><summary>Failed and slowest</summary><div class=\"scroll\" role=\"region\" aria-label=\"Failed and slowest invocations\" tabindex=\"0\"><table>\
             <thead><tr><th scope=\"col\">Began (UTC)</th><th scope=\"col\">Request</th><th scope=\"col\">Version</th><th scope=\"col\">Ended</th><th scope=\"col\" class=\"num\">ms</th></tr></thead><tbody>"
        )?;
        for one in &invocations.notable {
            write!(
                out,
                "<tr><td class=\"t\">{}</td><td><code>{}</code></td><td>{}</td><td class=\"w\">{}",
                time(one.started_at),
                esc(&one.request_id),
                esc(one.version.as_deref().unwrap_or_default()),
                esc(one.status.as_deref().unwrap_or("no end"))
            )?;
            if let Some(error) = &one.error {
                write!(out, " <span class=\"dim\">{}</span>", esc(error))?;
            }
            writeln!(
                out,
                "</td><td class=\"num\">{}</td></tr>",
                one.duration_ms.map(figure).unwrap_or_default()
            )?;
        }
        writeln!(out, "</tbody></table></div></details>")?;
    }
    writeln!(out, "</section>")
}

/// What was asked for and what came of it.
pub(super) fn acquisitions(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let acquisitions = &report.acquisitions;
    writeln!(
        out,
        "<section id=\"acquisitions\" aria-labelledby=\"acquisitions-h\"><h2 id=\"acquisitions-h\">Acquisitions</h2>\
         <p class=\"lead\">Everything that was asked for, most volatile first, and what came of it.</p>\
         <div class=\"scroll\" role=\"region\" aria-label=\"Acquisitions\" tabindex=\"0\"><table class=\"acquired\">\
         <thead><tr><th scope=\"col\">Manifest</th><th scope=\"col\">Asked for</th><th scope=\"col\">Outcome</th><th scope=\"col\">Reason, calls, exhibits</th></tr></thead><tbody>"
    )?;
    for acquired in &acquisitions.acquired {
        acquisition(acquired, out)?;
    }
    writeln!(out, "</tbody></table></div>")?;
    for (more, what) in [
        (acquisitions.more, "acquisitions"),
        (acquisitions.more_calls, "calls"),
        (acquisitions.more_exhibits, "exhibits"),
    ] {
        if more > 0 {
            writeln!(
                out,
                "<p class=\"note\">{} more {what} are in the manifests.</p>",
                figure(more as u64)
            )?;
        }
    }
    writeln!(out, "</section>")
}

fn acquisition(acquired: &Acquired, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<tr><td class=\"num\">{:04}</td><th scope=\"row\">{}</th><td><span class=\"outcome {2}\">{2}</span></td><td class=\"w\">",
        acquired.sequence,
        esc(&acquired.request),
        acquired.outcome,
    )?;
    if let Some(why) = &acquired.why {
        write!(out, "<p>{}</p>", esc(why))?;
    }
    if !acquired.exhibits.is_empty() || !acquired.calls.is_empty() {
        let bytes = acquired.exhibits.iter().map(|exhibit| exhibit.size_bytes);
        write!(
            out,
            "<details><summary>{} of {}, {}</summary>",
            counted(acquired.exhibits.len() as u64, "exhibit", "exhibits"),
            size(bytes.fold(0, u64::saturating_add)),
            counted(acquired.calls.len() as u64, "call", "calls")
        )?;
        list("kept", &acquired.exhibits, out, |exhibit, out| {
            write!(
                out,
                "{} <span class=\"dim\">{}</span><code>{}</code>",
                esc(&exhibit.name),
                size(exhibit.size_bytes),
                exhibit.sha256
            )
        })?;
        list("calls", &acquired.calls, out, |call, out| {
            write!(out, "<code>{}</code> {}", esc(&call.api), esc(&call.about))?;
            if call.requests != 1 {
                write!(
                    out,
                    " <span class=\"dim\">{} requests</span>",
                    figure(call.requests)
                )?;
            }
            write!(
                out,
                " <span class=\"dim\">{} ms</span>",
                figure(call.duration_ms)
            )?;
            match &call.error {
                Some(error) => write!(out, " <span class=\"mark gone\">{}</span>", esc(error)),
                None => Ok(()),
            }
        })?;
        write!(out, "</details>")?;
    }
    writeln!(out, "</td></tr>")
}

/// A list, if there is anything in it.
fn list<T, W: Write>(
    class: &str,
    items: &[T],
    out: &mut W,
    item: impl Fn(&T, &mut W) -> io::Result<()>,
) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    write!(out, "<ul class=\"{class}\">")?;
    for one in items {
        write!(out, "<li>")?;
        item(one, out)?;
        write!(out, "</li>")?;
    }
    write!(out, "</ul>")
}

/// Who did what with the evidence.
pub(super) fn custody(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"custody\" aria-labelledby=\"custody-h\"><h2 id=\"custody-h\">Custody</h2>\
         <div class=\"scroll\" role=\"region\" aria-label=\"Custody\" tabindex=\"0\"><table>\
         <thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Manifest</th><th scope=\"col\">What</th><th scope=\"col\">Who</th></tr></thead><tbody>"
    )?;
    for deed in &report.custody.deeds {
        writeln!(
            out,
            "<tr><td class=\"t\">{}</td><td class=\"num\">{:04}</td><td class=\"w\">{}</td><td class=\"w dim\">{}</td></tr>",
            time(deed.occurred_at),
            deed.sequence,
            esc(&deed.what),
            esc(&deed.who)
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if report.custody.more > 0 {
        writeln!(
            out,
            "<p class=\"note\">{} more lines are in the manifests.</p>",
            report.custody.more
        )?;
    }
    writeln!(out, "</section>")
}

/// The manifests, and how to verify them.
pub(super) fn chain(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"chain\" aria-labelledby=\"chain-h\"><h2 id=\"chain-h\">Chain</h2>\
         <p class=\"lead\">Each manifest carries the digest of the one before. The seal is the signature over each.</p><ol class=\"chain\">"
    )?;
    for link in &report.chain.links {
        write!(
            out,
            "<li class=\"{}\"><p><strong>{:04}</strong> sealed {} UTC <span class=\"dim\">{}, {}</span></p>\
             <dl><div><dt>SHA-256</dt><dd><code>{}</code></dd></div><div><dt>Previous</dt><dd><code>{}</code>{}</dd></div>\
             <div><dt>Key</dt><dd><code>{}</code></dd></div></dl></li>",
            if link.follows { "follows" } else { "broken" },
            link.sequence,
            time(link.sealed_at),
            esc(&link.responder),
            counted(link.exhibits as u64, "exhibit", "exhibits"),
            link.sha256,
            link.previous_sha256.map_or_else(
                || "none: it is the first".to_owned(),
                |digest| digest.to_string()
            ),
            if link.follows {
                ""
            } else {
                " <span class=\"mark gone\">is not the digest of the one before</span>"
            },
            esc(link
                .key_id
                .as_deref()
                .unwrap_or("the envelope cannot be read")),
        )?;
    }
    writeln!(
        out,
        "</ol><div class=\"verify\"><h3>Verify it yourself</h3>\
         <p>This page tells what is sealed and is no evidence itself. Do not believe it: check the case.</p><ol>"
    )?;
    for step in &report.chain.verify {
        writeln!(
            out,
            "<li><p>{}</p><pre tabindex=\"0\"><code>{}</code></pre></li>",
            esc(&step.shows),
            command(&step.command)
        )?;
    }
    writeln!(out, "</ol></div></section>")
}

/// A command keeps its lines; each is escaped.
fn command(text: &str) -> impl Display {
    fmt::from_fn(move |f| {
        for (place, line) in text.lines().enumerate() {
            let before = if place > 0 { "\n" } else { "" };
            write!(f, "{before}{}", esc(line))?;
        }
        Ok(())
    })
}

/// What stands below everything.
pub(super) fn footer(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<footer><p>Case <code>{}</code> as of manifest {:04}, sealed {} UTC. Made of what is sealed; no evidence itself. \
         This page loads nothing and sends nothing.</p></footer>",
        esc(report.case_id.as_str()),
        report.sequence,
        time(report.as_of)
    )
}

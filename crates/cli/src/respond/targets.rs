//! What is to be preserved: names and ARNs as people write them, or all functions that carry a tag.

use crate::desk::{Account, Failure, Kind, Output, refused};
use anyhow::Result;
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use evidence::{ResourceKind, Target, shown};
use futures_util::{StreamExt as _, stream};
use std::collections::BTreeSet;

/// How many functions are asked for their tags at a time; Lambda answers 15 requests a second.
const PARALLEL: usize = 4;

/// A tag, with or without a value that it has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    key: String,
    value: Option<String>,
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

impl std::str::FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err("a tag is KEY or KEY=VALUE".to_owned());
        }
        Ok(Self {
            key: key.to_owned(),
            value,
        })
    }
}

/// Whether what was typed names a function of another provider than AWS.
pub fn is_elsewhere(text: &str) -> bool {
    Target::is_address(text) && !text.trim().starts_with("arn:")
}

/// The provider and the targets, if functions of another provider than AWS are named. Those of one
/// provider and account at a time: whose credentials are used is then plain.
pub fn elsewhere(texts: &[String]) -> Result<Option<BTreeSet<Target>>> {
    if !texts.iter().any(|text| is_elsewhere(text)) {
        return Ok(None);
    }
    let mut targets = BTreeSet::new();
    for text in texts {
        let target = Target::parse(text)
            .map_err(|error| Failure::new(Kind::Usage, shown(&error.to_string(), 500)))?;
        targets.insert(target);
    }
    let of: BTreeSet<_> = targets
        .iter()
        .map(|target| (target.provider, &target.account))
        .collect();
    match of.len() {
        1 => Ok(Some(targets)),
        _ => Err(Failure::new(
            Kind::Usage,
            "one command preserves functions of one provider and one account: give the others one of \
             their own",
        )),
    }
}

/// What somebody named: an ARN, or a function's name in the account's own Region.
pub fn named(text: &str, account: &Account) -> Result<Target> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        let kind = ResourceKind::Function;
        return Ok(Target::aws(&account.id, &account.region, kind, text));
    }
    let target = Target::from_arn(text)
        .map_err(|error| Failure::new(Kind::Usage, shown(&error.to_string(), 400)))?;
    match target.kind {
        ResourceKind::Function
        | ResourceKind::Layer
        | ResourceKind::Role
        | ResourceKind::Policy
        | ResourceKind::EventSourceMapping
        | ResourceKind::CodeSigningConfig => Ok(target),
        kind => Err(Failure::new(
            Kind::Usage,
            format!(
                "{} is a {}; name a function, or a layer, role or policy that functions have",
                shown(text, 200),
                kind.as_str()
            ),
        )),
    }
}

/// Refuses a function that is not there, before a case is made of a mistyped name. Who may not look
/// learns it from the case.
pub async fn check(target: &Target, account: &Account) -> Result<()> {
    if target.kind != ResourceKind::Function {
        return Ok(());
    }
    let client = client(account, &target.region);
    let asked = client.get_function_configuration();
    match asked.function_name(target.arn()).send().await {
        Err(error) if error.code() == Some("ResourceNotFoundException") => Err(Failure::new(
            Kind::Absent,
            format!(
                "there is no function {} in account {}, Region {}: check the name, the Region and the \
                 profile{}; if it was deleted, --anyway preserves what is left of it",
                shown(&target.name, 80),
                target.account,
                target.region,
                alike(&client, &target.name).await,
            ),
        )),
        Err(error) if error.as_service_error().is_none() => {
            Err(refused("lambda:GetFunctionConfiguration", None, &error))
        }
        _ => Ok(()),
    }
}

/// Functions whose names are like this one, to be offered; empty if there are none or nobody may look.
async fn alike(client: &aws_sdk_lambda::Client, name: &str) -> String {
    let mut names = Vec::new();
    let mut pages = client.list_functions().into_paginator().send();
    // Names are offered out of courtesy: a thousand functions are looked at.
    for _ in 0..20 {
        let Some(Ok(page)) = pages.next().await else {
            break;
        };
        names.extend(
            page.functions
                .unwrap_or_default()
                .into_iter()
                .filter_map(|it| {
                    let found = it.function_name?;
                    let distance = distance(&found, name);
                    let is_alike = distance <= name.len() / 4 + 1
                        || found.contains(name)
                        || name.contains(&found);
                    is_alike.then_some((distance, found))
                }),
        );
    }
    names.sort();
    let names: Vec<String> = names.iter().take(3).map(|(_, it)| shown(it, 64)).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" (there is {})", names.join(", ")),
    }
}

/// How many letters have to be changed, put in or left out to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (y, up) in b.bytes().zip(row.iter_mut().skip(1)) {
            let cost = (corner + usize::from(x != y)).min(left + 1).min(*up + 1);
            (corner, *up, left) = (*up, cost, cost);
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or_default()
}

/// The functions of the Region that carry a tag, and in words what could not be looked at.
pub async fn tagged(
    tag: &Tag,
    account: &Account,
    output: Output,
) -> Result<(Vec<Target>, Vec<String>)> {
    let client = client(account, &account.region);
    let mut functions = Vec::new();
    let mut pages = client.list_functions().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused("lambda:ListFunctions", None, &error))?;
        let page = page.functions.unwrap_or_default().into_iter();
        functions.extend(page.filter_map(|it| it.function_arn));
    }
    let count = functions.len();
    let looked: Vec<_> = stream::iter(functions)
        .map(async |arn| {
            let tags = client.list_tags().resource(&arn).send().await;
            (arn, tags)
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let (mut found, mut gaps) = (BTreeSet::new(), Vec::new());
    for (arn, tags) in looked {
        match tags {
            Ok(tags) => {
                let value = tags.tags().and_then(|tags| tags.get(&tag.key));
                let is_it = value
                    .is_some_and(|value| tag.value.as_ref().is_none_or(|wanted| wanted == value));
                if is_it {
                    found.extend(Target::from_arn(&arn).ok().map(|it| it.unqualified()));
                }
            }
            Err(error) => gaps.push(format!(
                "whether {} carries the tag is not known: lambda:ListTags: {}",
                shown(&arn, 200),
                error.code().unwrap_or("no answer")
            )),
        }
    }
    output.remark(format_args!(
        "tagged     {} of {count} functions in {}",
        found.len(),
        account.region
    ));
    if found.is_empty() && gaps.is_empty() {
        return Err(Failure::new(
            Kind::Absent,
            format!(
                "none of the {count} functions in {} carries the tag {}",
                account.region,
                shown(&tag.key, 128)
            ),
        ));
    }
    Ok((found.into_iter().collect(), gaps))
}

fn client(account: &Account, region: &str) -> aws_sdk_lambda::Client {
    let config = aws_sdk_lambda::config::Builder::from(&account.config);
    let region = aws_config::Region::new(region.to_owned());
    aws_sdk_lambda::Client::from_conf(config.region(region).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_key_with_or_without_a_value() {
        let tag = |text: &str| text.parse::<Tag>();
        let key = |value: Option<&str>| Tag {
            key: "team".to_owned(),
            value: value.map(str::to_owned),
        };
        assert_eq!(tag("team"), Ok(key(None)));
        assert_eq!(tag("team=a=b"), Ok(key(Some("a=b"))));
        assert_eq!(tag("team="), Ok(key(Some(""))));
        assert!(tag("=x").is_err());
    }

    #[test]
    fn names_that_are_a_slip_apart_are_near() {
        assert_eq!(distance("billing", "biling"), 1);
        assert_eq!(distance("billing", "billing"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("orders", "billing"), 7);
    }
}

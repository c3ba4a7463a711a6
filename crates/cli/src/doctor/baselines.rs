//! Whether there is a known good of every function that a change could be held against.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use aws_sdk_lambda::Client;
use evidence::{ResourceKind, Target, keys};
use function::is_like;
use futures_util::FutureExt as _;
use std::collections::BTreeSet;

pub(super) const CHECK: Check = Check {
    name: "baselines",
    area: "Afterwards",
    actions: &["lambda:ListFunctions", "lambda:ListTags", "s3:ListBucket"],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

/// How many functions and how many records are counted at most.
const MOST: usize = 100_000;
/// Of how many functions without a record it is asked whether they are excluded by a tag.
const MOST_TAGS: usize = 50;

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let recorded = match recorded(deployment).await {
        Ok(recorded) => recorded,
        Err(trouble) => return lines.trouble("known good", &trouble),
    };
    let excluded = deployment.parameter("BaselineExclude");
    let excluded: Vec<_> = excluded
        .split(',')
        .filter(|name| !name.is_empty())
        .collect();
    for region in deployment.regions() {
        let client = Client::new(&deployment.config_in(&region));
        let what = format!("known good in {region}");
        let functions = match functions(&client).await {
            Ok(functions) => functions,
            Err(trouble) => {
                lines.trouble(what, &trouble);
                continue;
            }
        };
        let wanted: Vec<_> = functions
            .into_iter()
            .filter(|name| !excluded.iter().any(|pattern| is_like(pattern, name)))
            .collect();
        let target = |name: &str| {
            Target::aws(
                &deployment.account.id,
                &region,
                ResourceKind::Function,
                name,
            )
        };
        let mut without: Vec<String> = wanted
            .iter()
            .filter(|name| !recorded.contains(&keys::baselines(&target(name))))
            .cloned()
            .collect();
        if without.len() <= MOST_TAGS {
            let tag = deployment.parameter("BaselineExcludeTag");
            let mut kept = Vec::new();
            for name in without {
                if !has_tag(&client, &target(&name).arn(), tag).await {
                    kept.push(name);
                }
            }
            without = kept;
        }
        tell(&what, wanted.len(), &without, deployment, lines);
    }
}

fn tell(what: &str, wanted: usize, without: &[String], deployment: &Deployment, lines: &mut Lines) {
    if without.is_empty() {
        return lines.ok(
            what,
            format!("{wanted} functions, all recorded or left out on purpose"),
        );
    }
    let some: Vec<_> = without.iter().take(5).map(String::as_str).collect();
    let more = if without.len() > some.len() {
        ", …"
    } else {
        ""
    };
    lines.warn(
        what,
        format!("{} of {wanted} functions are not recorded ({}{more}): what changed in them cannot be told", without.len(), some.join(", ")),
        format!("aws stepfunctions start-execution --state-machine-arn {} --input '{{\"why\": \"sweep\"}}'", deployment.output("BaselineArn")),
    );
}

/// The folders of the vault that hold records, one a function.
async fn recorded(deployment: &Deployment) -> Result<BTreeSet<String>, Trouble> {
    let client = vault::s3_client(deployment.config());
    let list = client
        .list_objects_v2()
        .bucket(deployment.output("BucketName"));
    let list = list.prefix("baselines/").delimiter("/");
    let mut pages = list.into_paginator().send();
    let mut folders = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Trouble::of("s3:ListBucket", &error))?;
        let prefixes = page.common_prefixes.unwrap_or_default().into_iter();
        folders.extend(prefixes.filter_map(|one| one.prefix));
        if folders.len() >= MOST {
            break;
        }
    }
    Ok(folders)
}

async fn functions(client: &Client) -> Result<Vec<String>, Trouble> {
    let mut names = Vec::new();
    let mut pages = client.list_functions().into_paginator().items().send();
    while let Some(function) = pages.next().await {
        let function = function.map_err(|error| Trouble::of("lambda:ListFunctions", &error))?;
        names.extend(function.function_name);
        if names.len() >= MOST {
            break;
        }
    }
    Ok(names)
}

/// Whether the owner wants a function left out by its tag. Where that cannot be told it is not.
async fn has_tag(client: &Client, arn: &str, tag: &str) -> bool {
    if tag.is_empty() {
        return false;
    }
    let reply = client.list_tags().resource(arn).send().await;
    let value = reply.ok().and_then(|reply| reply.tags?.get(tag).cloned());
    value.is_some_and(|value| !value.eq_ignore_ascii_case("false"))
}

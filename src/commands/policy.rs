//! `storage:policy:*`: what the operator decided for every app of the host.

use super::arguments::{self, Args, Named, no_more_than};
use super::asked::ReportRequest;
use crate::context::Context;
use crate::domain::policy::{Jail, MetricsDirectory, VolumeOptions, parse_trash_hours};
use crate::domain::{HostPath, Policy, Result, as_typed};
use crate::ops::{crontab, policy};
use crate::render::Report;

const KEYS: &str = "allowed-paths, jail, metrics-textfile, trash-hours, volume-options";

pub(crate) fn set(words: &[String], context: &mut Context) -> Result<()> {
    let (Named::<String> { name, .. }, values) = arguments::parse_some(words, context)?;
    let (key, values) = (&*name, &*values);
    policy::set(|policy| apply(policy, key, values), context)?;
    context.out.headline(&if values.is_empty() {
        format!("Storage policy {key} unset")
    } else {
        format!("Storage policy {key} set to {}", values.join(" "))
    });
    match key {
        "metrics-textfile" => crontab::write(context),
        "trash-hours" => policy::warn_of_the_end(context)?,
        _ => policy::warn_of_mounts(context)?,
    }
    Ok(())
}

fn apply(policy: &mut Policy, key: &str, values: &[String]) -> Result<()> {
    let path = |text: &String| {
        as_typed("allowed path", text)?;
        refuse_if!(
            text.contains(",/"),
            "allowed path {text:?} has a comma; write several paths with blanks between them: dokku storage:policy:set allowed-paths {}",
            text.replace(',', " ")
        );
        HostPath::parse(text)
    };
    let one = || no_more_than(values, 1).map(|()| values.first().map(String::as_str));
    match key {
        "allowed-paths" => {
            policy.allowed_paths = values.iter().map(path).collect::<Result<_>>()?;
        }
        "jail" => policy.jail = one()?.map(Jail::parse).transpose()?,
        "metrics-textfile" => {
            policy.metrics_textfile = one()?.map(MetricsDirectory::parse).transpose()?;
        }
        "trash-hours" => policy.trash_hours = one()?.map(parse_trash_hours).transpose()?,
        "volume-options" => policy.volume_options = one()?.map(VolumeOptions::parse).transpose()?,
        "" => refuse!("No policy specified, there are: {KEYS}"),
        other => {
            refuse!("{other:?} is not a policy; there are: {KEYS}");
        }
    }
    Ok(())
}

/// The flags of the report. Each but the first prints its value alone.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Reported {
    /// --format: output format: text or json
    #[arg(default_value = "text")]
    format: String,
    /// --storage-policy-allowed-paths: host paths that apps may mount
    storage_policy_allowed_paths: bool,
    /// --storage-policy-jail: directory that an app's host paths must be in
    storage_policy_jail: bool,
    /// --storage-policy-metrics-textfile: directory that cron writes the metrics to
    storage_policy_metrics_textfile: bool,
    /// --storage-policy-trash-hours: how many hours destroyed data stays in the trash
    storage_policy_trash_hours: bool,
    /// --storage-policy-volume-options: how far the options of Docker volumes may be chosen: deny, safe or allow
    storage_policy_volume_options: bool,
}

pub(crate) fn report(words: &[String], context: &mut Context) -> Result<()> {
    let request = ReportRequest::parse_own::<Reported>(words, context)?;
    no_more_than(&request.words, 0)?;
    let policy = context.store.policy()?;
    let paths: Vec<&str> = policy.allowed_paths.iter().map(HostPath::as_str).collect();
    let jail = policy.jail.as_ref().map_or("", Jail::as_str);
    let mut report = Report::default();
    report.add("policy-allowed-paths", paths.join(" "));
    report.add("policy-jail", jail);
    let collector = policy.metrics_textfile.as_ref().map_or("", MetricsDirectory::as_str);
    report.add("policy-metrics-textfile", collector);
    report.add("policy-trash-hours", policy.trash_hours().to_string());
    report.add("policy-volume-options", policy.volume_options().as_str());
    report.print(&mut context.out, "Host", &request.asked)
}

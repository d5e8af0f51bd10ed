//! Who uses an entry, and by which name, for `storage:doctor ENTRY`.

use crate::checks::sources;
use crate::context::Context;
use crate::domain::{Entry, Finding, Result, Severity, Whose};
use crate::ops::{Places, access};
use crate::types;

/// What is the matter with an entry, and who uses it, as far as the caller may know.
pub(crate) fn of_entry(entry: &Entry, context: &Context) -> Result<Vec<Finding>> {
    let name = &entry.name;
    let mut findings = Vec::new();
    if let Some(finding) = sources::led_elsewhere(entry, context) {
        findings.push(finding);
    } else if let Some(problem) = types::away(entry, context) {
        findings.push(Finding::of_away(problem, &context.store));
    } else {
        let is_mounted = !context.store.apps_with(name)?.is_empty();
        findings.extend(sources::not_ready(entry, is_mounted, context));
    }
    let uses = Places::of_this_host(context)?.uses_of_entry(entry);
    let (seen, hides_some) = access::seen(uses, context)?;
    findings.extend(seen.into_iter().map(|of| {
        let finding = Finding::new("used-by", Severity::Note, of.sentence, of.remedy);
        let finding = finding.of_entry(name).at(entry.shown_source());
        match &of.whose {
            Whose::App(app) => finding.of_app(app),
            Whose::Entry(_) | Whose::Nobody | Whose::Host => finding,
        }
    }));
    if hides_some {
        let sentence = "apps that you cannot see, or something of the host, use it";
        let finding =
            Finding::new("used-by", Severity::Note, sentence, "ask who may see every app");
        findings.push(finding.of_entry(name));
    }
    Ok(findings)
}

//! One JSON object per line on standard output, nothing else there.

use serde_json::{Map, Value as Json, json};

use super::{Event, Reporter, shown, terminal};
use crate::module::Diff;

/// Writes events as JSON lines.
pub struct JsonLines;

impl Reporter for JsonLines {
    fn event(&self, event: Event) {
        let Some(mut object) = object(&event) else { return };
        object.insert("time".into(), json!(jiff::Timestamp::now().to_string()));
        // A reader that is gone has no use for the rest.
        let _ = terminal::out(&format!("{}\n", shown::json(&Json::Object(object).to_string())));
    }
}

fn diffs(diffs: &[Diff]) -> Json {
    diffs.iter().map(|d| json!({"before_header": d.before_header, "after_header": d.after_header, "before": d.before, "after": d.after})).collect()
}

/// The event's fields, as `docs` describe them; none for those that only a progress display needs.
fn object(event: &Event) -> Option<Map<String, Json>> {
    let value = match event {
        Event::RunStart { check, playbooks, hosts, .. } => {
            json!({"event": "run_start", "check": check, "playbooks": playbooks, "hosts": hosts})
        }
        Event::PlayStart { play, hosts, tasks } => {
            json!({"event": "play_start", "play": play, "hosts": hosts, "tasks": tasks})
        }
        Event::ItemResult { task, host, status, item, diff, result, .. } => json!({
            "event": "item_result", "play": task.play, "task": task.name, "host": host, "status": status, "item": item,
            "diff": diffs(diff), "result": result,
        }),
        Event::TaskResult { task, host, delegate, status, duration, diff, result, .. } => json!({
            "event": if task.handler { "handler_result" } else { "task_result" }, "play": task.play, "task": task.name,
            "action": task.action, "host": host, "delegate": delegate, "status": status, "item": null,
            "place": task.span.as_ref().map(|s| s.place()), "duration_ms": duration.as_millis() as u64,
            "diff": diffs(diff), "result": result,
        }),
        Event::Warning { message } => json!({"event": "warning", "message": message}),
        Event::Recap { hosts, duration, round_trips, check, stats } => {
            let of = |(host, values): &(Option<String>, Json)| {
                (host.clone().unwrap_or_else(|| "_run".into()), values.clone())
            };
            let stats: Map<String, Json> = stats.iter().map(of).collect();
            let hosts: Map<String, Json> = hosts.iter().map(|(h, c)| (h.clone(), json!(c))).collect();
            json!({"event": "recap", "check": check, "hosts": hosts, "duration_ms": duration.as_millis() as u64, "round_trips": round_trips, "stats": stats})
        }
        Event::TaskRunning { .. }
        | Event::Transfer { .. }
        | Event::RoundTrip { .. }
        | Event::Waited { .. }
        | Event::HostNote { .. }
        | Event::Meta { .. }
        | Event::Retry { .. }
        | Event::HostDone { .. }
        | Event::Stats { .. }
        | Event::BatchStart { .. } => return None,
    };
    match value {
        Json::Object(object) => Some(object),
        _ => None,
    }
}

//! The words of messages: templates for Alertmanager, and what they come to for one alert, which amtool has to print as well.
//!
//! Of functions there are only those of Alertmanager 0.25. Times are in UTC: templates know no other zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// So many alerts of a group are told one by one.
const SHOWN: usize = 20;

/// The file of templates for an environment.
pub(super) fn templates(environment: &str) -> String {
    TEMPLATES
        .replace("ENVIRONMENT", environment)
        .replace("SHOWN", &SHOWN.to_string())
}

/// A firing alert still has an end, in year 1: it is printed for resolved ones only.
const TEMPLATES: &str = r#"
{{ define "fanlight.escaped" }}{{ . | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;" }}{{ end }}

{{ define "fanlight.time" }}{{ .UTC.Format "2006-01-02 15:04:05 MST" }}{{ end }}

{{ define "fanlight.what" }}{{ if .Annotations.description }}{{ .Annotations.description }}{{ else }}{{ .Labels.SortedPairs.Values | join " " }}{{ end }}{{ end }}

{{ define "fanlight.start" }}start: {{ template "fanlight.time" .StartsAt }}{{ end }}

{{ define "fanlight.end" }}end: {{ template "fanlight.time" .EndsAt }}
duration: {{ (.EndsAt.Sub .StartsAt).Truncate 1000000000 }}{{ end }}

{{ define "fanlight.color" }}{{ if eq .Status "resolved" }}good{{ else if eq .CommonLabels.severity "critical" }}danger{{ else }}warning{{ end }}{{ end }}

{{ define "fanlight.team.channel" }}{{ if .CommonLabels.slack_channel }}{{ .CommonLabels.slack_channel }}{{ else }}#team-{{ .CommonLabels.team }}{{ end }}{{ end }}

{{ define "fanlight.team.title" }}{{ if eq .Status "resolved" }}RESOLVED{{ else }}START{{ end }} {{ .CommonLabels.alertname }} ({{ .CommonLabels.severity }}, ENVIRONMENT){{ end }}

{{ define "fanlight.one" -}}
{{ if .Annotations.description }}{{ template "fanlight.escaped" .Annotations.description }}{{ else }}{{ template "fanlight.escaped" (.Labels.SortedPairs.Values | join " ") }}{{ end }}
{{ template "fanlight.start" . }}
{{- if eq .Status "resolved" }}
{{ template "fanlight.end" . }}
{{- end }}
{{- if .Annotations.runbook_url }}
handbook: {{ .Annotations.runbook_url }}
{{- end }}
{{ end }}

{{ define "fanlight.team.text" -}}
{{ range $i, $alert := .Alerts.Firing }}{{ if lt $i SHOWN }}*START* {{ template "fanlight.one" $alert }}{{ end }}{{ end -}}
{{ if gt (len .Alerts.Firing) SHOWN }}These are SHOWN of {{ len .Alerts.Firing }} that fire.
{{ end -}}
{{ range $i, $alert := .Alerts.Resolved }}{{ if lt $i SHOWN }}*RESOLVED* {{ template "fanlight.one" $alert }}{{ end }}{{ end -}}
{{ if gt (len .Alerts.Resolved) SHOWN }}These are SHOWN of {{ len .Alerts.Resolved }} that are resolved.
{{ end -}}
{{ end }}

{{ define "fanlight.plain" -}}
{{ range $i, $alert := .Alerts }}{{ if lt $i SHOWN }}{{ template "fanlight.what" $alert }}
{{ template "fanlight.start" $alert }}
{{- if eq $alert.Status "resolved" }}
{{ template "fanlight.end" $alert }}
{{- end }}
{{- if $alert.Annotations.runbook_url }}
handbook: {{ $alert.Annotations.runbook_url }}
{{- end }}
{{ end }}{{ end }}{{ end }}

{{ define "fanlight.unrouted.title" }}NOBODY'S ALERT: {{ template "fanlight.team.title" . }}{{ end }}

{{ define "fanlight.unrouted.text" -}}
<!channel> No team is routed for `team="{{ template "fanlight.escaped" .CommonLabels.team }}"`: whoever reads this has to find out whose it is, and give it a team.
{{ template "fanlight.team.text" . }}{{ end }}
"#;

/// An alert as a message tells of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) description: &'a str,
    pub(super) handbook: &'a str,
    pub(super) start: Timestamp,
    /// `None` while it fires.
    pub(super) end: Option<Timestamp>,
}

/// The text of a message to a team about one alert.
pub(super) fn of_one(told: &Told<'_>) -> String {
    let escaped = told
        .description
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let mut lines = Vec::new();
    let word = if told.end.is_some() { "RESOLVED" } else { "START" };
    lines.push(format!("*{word}* {escaped}"));
    lines.push(format!("start: {}", time(told.start)));
    if let Some(end) = told.end {
        lines.push(format!("end: {}", time(end)));
        lines.push(format!(
            "duration: {}",
            go_duration(end.as_second() - told.start.as_second())
        ));
    }
    lines.push(format!("handbook: {}", told.handbook));
    lines.join("\n") + "\n"
}

fn time(timestamp: Timestamp) -> String {
    timestamp
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S UTC")
        .to_string()
}

/// Seconds as Go prints them: `1h0m9s`.
fn go_duration(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

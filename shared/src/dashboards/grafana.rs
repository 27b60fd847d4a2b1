//! Grafana's classic dashboard, as far as it is written here: the names and shapes of its published schema.

use serde::Serialize;
use serde_json::Value;

/// That of Grafana 12 and 13; later ones migrate it by themselves.
pub(super) const SCHEMA_VERSION: u32 = 42;

/// A dashboard.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dashboard {
    pub(super) uid: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) tags: Vec<String>,
    pub(super) schema_version: u32,
    pub(super) editable: bool,
    /// Whether a line under the pointer is shown in all panels: 1.
    pub(super) graph_tooltip: u32,
    pub(super) refresh: &'static str,
    pub(super) time: Time,
    pub(super) timezone: &'static str,
    pub(super) links: Vec<Link>,
    pub(super) annotations: List<Annotation>,
    pub(super) templating: List<Variable>,
    pub(super) panels: Vec<Panel>,
}

#[derive(Debug, Serialize)]
pub(super) struct Time {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    pub(super) list: Vec<T>,
}

/// The data source that the reader chooses.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DataSource {
    #[serde(rename = "type")]
    kind: &'static str,
    uid: &'static str,
}

impl DataSource {
    pub(super) const CHOSEN: Self = Self {
        kind: "prometheus",
        uid: "${datasource}",
    };
    /// That of what Grafana itself stores.
    pub(super) const GRAFANA: Self = Self {
        kind: "grafana",
        uid: "-- Grafana --",
    };
}

/// A link of a dashboard or a panel.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "these are the schema's")]
pub(super) struct Link {
    title: String,
    #[serde(rename = "type")]
    kind: &'static str,
    icon: &'static str,
    tooltip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    tags: Vec<String>,
    as_dropdown: bool,
    target_blank: bool,
    include_vars: bool,
    keep_time: bool,
}

impl Link {
    /// To a page.
    pub(super) fn page(title: String, url: &str) -> Self {
        Self {
            title,
            kind: "link",
            icon: "doc",
            tooltip: String::new(),
            url: Some(url.to_owned()),
            tags: Vec::new(),
            as_dropdown: false,
            target_blank: true,
            include_vars: false,
            keep_time: false,
        }
    }

    /// To all dashboards with these tags.
    pub(super) fn dashboards(title: &str, tags: Vec<String>) -> Self {
        Self {
            title: title.to_owned(),
            kind: "dashboards",
            icon: "external link",
            tooltip: String::new(),
            url: None,
            tags,
            as_dropdown: true,
            target_blank: false,
            include_vars: true,
            keep_time: true,
        }
    }
}

/// What is marked on all panels.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Annotation {
    pub(super) name: &'static str,
    pub(super) datasource: DataSource,
    pub(super) enable: bool,
    pub(super) hide: bool,
    pub(super) icon_color: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) built_in: Option<u32>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag_keys: Option<&'static str>,
}

/// What the reader chooses.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) label: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) datasource: Option<DataSource>,
    pub(super) query: Value,
    pub(super) refresh: u32,
    pub(super) sort: u32,
    pub(super) multi: bool,
    pub(super) include_all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) all_value: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<Choice>,
}

#[derive(Debug, Serialize)]
pub(super) struct Choice {
    pub(super) text: &'static str,
    pub(super) value: &'static str,
}

/// A panel.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Panel {
    pub(super) id: u32,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    pub(super) grid_pos: GridPos,
    pub(super) datasource: DataSource,
    pub(super) targets: Vec<Target>,
    pub(super) field_config: FieldConfig,
    pub(super) options: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) links: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) transformations: Vec<Transformation>,
}

/// A place in the grid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct GridPos {
    pub(super) h: u32,
    pub(super) w: u32,
    pub(super) x: u32,
    pub(super) y: u32,
}

/// A query of Prometheus.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    pub(super) ref_id: String,
    pub(super) datasource: DataSource,
    pub(super) expr: String,
    pub(super) legend_format: String,
    pub(super) instant: bool,
    pub(super) range: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    pub(super) editor_mode: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct FieldConfig {
    pub(super) defaults: Field,
    pub(super) overrides: Vec<Override>,
}

/// How values are shown.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub(super) unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decimals: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<f64>,
    pub(super) color: Colour,
    pub(super) thresholds: Thresholds,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) custom: Value,
}

#[derive(Debug, Serialize)]
pub(super) struct Colour {
    pub(super) mode: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Thresholds {
    mode: &'static str,
    pub(super) steps: Vec<Threshold>,
}

impl Thresholds {
    pub(super) fn absolute(steps: Vec<Threshold>) -> Self {
        Self {
            mode: "absolute",
            steps,
        }
    }
}

/// From a value on, a colour; `None` is from the least on.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Threshold {
    pub(super) color: String,
    pub(super) value: Option<f64>,
}

impl Threshold {
    pub(super) fn from(value: Option<f64>, color: String) -> Self {
        Self { color, value }
    }
}

/// What is other for some of a panel's values.
#[derive(Debug, Serialize)]
pub(super) struct Override {
    pub(super) matcher: Matcher,
    pub(super) properties: Vec<Property>,
}

#[derive(Debug, Serialize)]
pub(super) struct Matcher {
    pub(super) id: &'static str,
    pub(super) options: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Property {
    pub(super) id: &'static str,
    pub(super) value: Value,
}

#[derive(Debug, Serialize)]
pub(super) struct Transformation {
    pub(super) id: &'static str,
    pub(super) options: Value,
}

//! What all dashboards have: a data source to choose, marks where alerts fire, links to each other.

use super::grafana::{
    Annotation, Choice, Dashboard, DataSource, Link, List, Panel, SCHEMA_VERSION, Target, Time, Variable,
};
use super::name;

/// The tag of every dashboard that is built.
const TAG: &str = "fanlight";

/// A dashboard in the making.
pub(super) struct Page {
    pub(super) folder: String,
    pub(super) name: String,
    /// What it is about.
    pub(super) about: String,
    /// The service, and what else it is found by.
    pub(super) tags: Vec<String>,
    /// The query of what fires; `None` where nothing can.
    pub(super) firing: Option<String>,
    pub(super) variables: Vec<Variable>,
    pub(super) panels: Vec<Panel>,
}

impl Page {
    /// The dashboard of an environment, described by `head` first.
    pub(super) fn dashboard(self, environment: &str, head: &str) -> Dashboard {
        let of_all = vec![TAG.to_owned(), environment.to_owned()];
        let mut tags = of_all.clone();
        tags.extend(self.tags);
        let mut variables = vec![Variable::data_source()];
        variables.extend(self.variables);
        let panels = (1..).zip(self.panels).map(|(id, panel)| Panel { id, ..panel });
        Dashboard {
            uid: name::uid(environment, &self.name),
            title: self.name,
            description: format!("{} {head}", self.about),
            tags,
            schema_version: SCHEMA_VERSION,
            editable: false,
            graph_tooltip: 1,
            refresh: "1m",
            time: Time {
                from: "now-6h",
                to: "now",
            },
            timezone: "browser",
            links: vec![Link::dashboards("Dashboards", of_all)],
            annotations: List {
                list: annotations(self.firing),
            },
            templating: List { list: variables },
            panels: panels.collect(),
        }
    }
}

fn annotations(firing: Option<String>) -> Vec<Annotation> {
    let own = Annotation {
        name: "Annotations & Alerts",
        datasource: DataSource::GRAFANA,
        enable: true,
        hide: true,
        icon_color: "rgba(0, 211, 255, 1)",
        built_in: Some(1),
        kind: Some("dashboard"),
        target: None,
        title_format: None,
        tag_keys: None,
    };
    let alerts = firing.map(|expr| Annotation {
        name: "Alerts",
        datasource: DataSource::CHOSEN,
        enable: true,
        hide: false,
        icon_color: "red",
        built_in: None,
        kind: None,
        target: Some(Target {
            ref_id: "Anno".to_owned(),
            datasource: DataSource::CHOSEN,
            expr,
            legend_format: String::new(),
            instant: false,
            range: true,
            format: None,
            editor_mode: "code",
        }),
        title_format: Some("{{alertname}}"),
        tag_keys: Some("severity,team"),
    });
    [own].into_iter().chain(alerts).collect()
}

impl Variable {
    fn data_source() -> Self {
        Self {
            name: "datasource".to_owned(),
            label: "Data source".to_owned(),
            kind: "datasource",
            datasource: None,
            query: "prometheus".into(),
            refresh: 1,
            sort: 0,
            multi: false,
            include_all: false,
            all_value: None,
            current: None,
        }
    }

    /// The values that a label of these series has, of which all are chosen first.
    pub(super) fn label_values(name: &str, label: &str, series: &str) -> Self {
        let query = format!("label_values({series}, {label})");
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind: "query",
            datasource: Some(DataSource::CHOSEN),
            query: serde_json::json!({"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}),
            refresh: 2,
            sort: 1,
            multi: true,
            include_all: true,
            all_value: Some(".*"),
            current: Some(Choice {
                text: "All",
                value: "$__all",
            }),
        }
    }
}

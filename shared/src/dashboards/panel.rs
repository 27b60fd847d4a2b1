//! The kinds of panels that are drawn, each with what makes it readable.

use serde_json::{Value, json};

use super::grafana::{
    Colour, DataSource, Field, FieldConfig, GridPos, Link, Matcher, Override, Panel, Property, Target, Threshold,
    Thresholds, Transformation,
};
use super::thresholds::{self, GOOD, Limit};
use super::unit::Unit;

/// A query, and what its series are called.
pub(super) struct Ask {
    pub(super) query: String,
    pub(super) legend: String,
}

impl Ask {
    pub(super) fn new(query: impl Into<String>, legend: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            legend: legend.into(),
        }
    }

    fn target(&self, number: usize, over_time: bool) -> Target {
        Target {
            ref_id: ref_id(number),
            datasource: DataSource::CHOSEN,
            expr: self.query.clone(),
            legend_format: self.legend.clone(),
            instant: !over_time,
            range: over_time,
            format: None,
            editor_mode: "code",
        }
    }
}

/// `A` to `Z`, `AA` and so on.
fn ref_id(number: usize) -> String {
    const LETTERS: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let last = char::from(LETTERS[number % LETTERS.len()]);
    match number / LETTERS.len() {
        0 => last.to_string(),
        before => format!("{}{last}", ref_id(before - 1)),
    }
}

/// Values over time, with a line at each limit.
pub(super) fn lines(title: impl Into<String>, asks: &[Ask], unit: &Unit, limits: &[Limit]) -> Panel {
    let values = limits.iter().map(|limit| limit.value);
    // The limit is in view although no value comes near it.
    let least = values.clone().fold(0.0, f64::min);
    let most = values.fold(None, |most: Option<f64>, value| {
        Some(most.map_or(value, |most| most.max(value)))
    });
    let mut custom = json!({
        "drawStyle": "line",
        "lineInterpolation": "stepAfter",
        "lineWidth": 1,
        "fillOpacity": 0,
        "showPoints": "never",
        "spanNulls": false,
        "axisSoftMin": least,
        "thresholdsStyle": {"mode": if limits.is_empty() { "off" } else { "line" }},
    });
    if let Some(most) = most {
        custom["axisSoftMax"] = json!(most);
    }
    let legend = json!({
        "showLegend": true,
        "displayMode": "list",
        "placement": "bottom",
        "calcs": [],
    });
    Panel {
        options: json!({"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}),
        ..panel(
            "timeseries",
            title.into(),
            targets(asks, true),
            Field {
                color: Colour {
                    mode: "palette-classic",
                },
                custom,
                ..field(unit, thresholds::lines(limits))
            },
        )
    }
}

/// Likewise, with a limit that is in view only once values come near it.
pub(super) fn lines_below(title: impl Into<String>, asks: &[Ask], unit: &Unit, limit: Limit) -> Panel {
    let mut panel = lines(title, asks, unit, &[limit]);
    if let Some(custom) = panel.field_config.defaults.custom.as_object_mut() {
        custom.remove("axisSoftMax");
    }
    panel
}

/// One number for each query, as it is now.
pub(super) fn numbers(title: impl Into<String>, asks: &[Ask], unit: &Unit, limits: &[Limit]) -> Panel {
    Panel {
        options: json!({
            "reduceOptions": last(),
            "orientation": "auto",
            "textMode": if asks.len() > 1 { "value_and_name" } else { "auto" },
            "colorMode": if limits.is_empty() { "none" } else { "background_solid" },
            "graphMode": "none",
            "justifyMode": "center",
            "wideLayout": true,
            "showPercentChange": false,
            "percentChangeColorMode": "standard",
        }),
        ..panel(
            "stat",
            title.into(),
            targets(asks, false),
            field(unit, thresholds::colours(limits)),
        )
    }
}

/// A bar for each series, as it is now; `most` is where bars end.
pub(super) fn bars(title: impl Into<String>, asks: &[Ask], unit: &Unit, most: Option<f64>, limits: &[Limit]) -> Panel {
    let mut field = field(unit, thresholds::colours(limits));
    field.min = Some(0.0);
    field.max = most;
    if limits.is_empty() {
        field.thresholds = Thresholds::absolute(vec![Threshold::from(None, "blue".to_owned())]);
    }
    Panel {
        options: json!({
            "reduceOptions": last(),
            "orientation": "horizontal",
            "displayMode": "basic",
            "valueMode": "color",
            "namePlacement": "left",
            "showUnfilled": true,
            "sizing": "auto",
            "minVizWidth": 8,
            "minVizHeight": 16,
            "maxVizHeight": 40,
            "legend": {"showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": []},
        }),
        ..panel("bargauge", title.into(), targets(asks, false), field)
    }
}

/// A table of `rows` by `columns`, which are labels.
pub(super) fn matrix(
    title: impl Into<String>,
    query: String,
    [rows, columns]: [&str; 2],
    unit: &Unit,
    limits: &[Limit],
) -> Panel {
    let mut target = Ask::new(query, "").target(0, false);
    target.format = Some("table");
    let mut thresholds = thresholds::colours(limits);
    if limits.is_empty() {
        thresholds = thresholds::lines(&[]);
    }
    let mut panel = panel(
        "table",
        title.into(),
        vec![target],
        Field {
            custom: json!({
                "align": "center",
                "inspect": false,
                "cellOptions": {"type": "color-background", "mode": "basic"},
            }),
            ..field(unit, thresholds)
        },
    );
    panel.options = json!({"showHeader": true, "frameIndex": 0});
    panel.transformations.push(Transformation {
        id: "groupingToMatrix",
        options: json!({"rowField": rows, "columnField": columns, "valueField": "Value", "emptyValue": "null"}),
    });
    // What the transformation calls the column with the names of the rows.
    panel.field_config.overrides.push(Override {
        matcher: Matcher {
            id: "byName",
            options: format!("{rows}\\{columns}"),
        },
        properties: vec![Property {
            id: "custom.cellOptions",
            value: json!({"type": "auto"}),
        }],
    });
    panel
}

impl Panel {
    pub(super) fn described(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    pub(super) fn linked(mut self, links: Vec<Link>) -> Self {
        self.links = links;
        self
    }

    /// With a digit or so behind the point.
    pub(super) fn rounded(mut self, decimals: u32) -> Self {
        self.field_config.defaults.decimals = Some(decimals);
        self
    }

    /// Where the bar of the query of this number ends, and when it turns red.
    pub(super) fn limited(mut self, number: usize, most: f64) -> Self {
        let limit = json!({"mode": "absolute", "steps": [
            {"color": GOOD, "value": null}, {"color": "red", "value": most},
        ]});
        let properties = [("max", json!(most)), ("thresholds", limit)];
        self.field_config.overrides.push(Override {
            matcher: Matcher {
                id: "byFrameRefID",
                options: ref_id(number),
            },
            properties: properties.map(|(id, value)| Property { id, value }).into(),
        });
        self
    }

    pub(super) fn at(mut self, place: GridPos) -> Self {
        self.grid_pos = place;
        self
    }
}

fn targets(asks: &[Ask], over_time: bool) -> Vec<Target> {
    let asks = asks.iter().enumerate();
    asks.map(|(number, ask)| ask.target(number, over_time)).collect()
}

fn last() -> Value {
    json!({"calcs": ["lastNotNull"], "fields": "", "values": false})
}

fn field(unit: &Unit, thresholds: Thresholds) -> Field {
    Field {
        unit: unit.id.clone(),
        decimals: None,
        min: None,
        max: None,
        color: Colour { mode: "thresholds" },
        thresholds,
        custom: Value::Null,
    }
}

fn panel(kind: &'static str, title: String, targets: Vec<Target>, defaults: Field) -> Panel {
    Panel {
        id: 0,
        kind,
        title,
        description: String::new(),
        grid_pos: GridPos::default(),
        datasource: DataSource::CHOSEN,
        targets,
        field_config: FieldConfig {
            defaults,
            overrides: Vec::new(),
        },
        options: Value::Null,
        links: Vec::new(),
        transformations: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_numbered_by_letters() {
        for (number, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (702, "AAA")] {
            assert_eq!(ref_id(number), letters);
        }
    }
}

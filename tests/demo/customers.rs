//! Two customers of the shop before the Metrics API: what each gets with curl, and what one takes into a Prometheus of
//! his own.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;
use fanlight_tests::{Customer, MetricsApi, Prometheus};
use tokio::process::Command;

/// The shop's organisations, as `shop.sql` has them.
const LEMAIRE: &str = "6f1c2b1e-0d5a-4c53-9a57-3f1f0e0a7b11";
const FONTAINE: &str = "c2b7a9d4-41f3-4d0e-8f6b-92d1c58e6a27";

const SUM: &str = "sum by (organisation_id) (customer_transfers)";

/// The Metrics API, the two who call it, and the Prometheus of the first.
pub(crate) struct Customers {
    api: MetricsApi,
    lemaire: Customer,
    fontaine: Customer,
    federating: Prometheus,
}

/// A request by curl and what came of it.
struct Asked {
    command: String,
    status: String,
    answer: String,
}

impl Customers {
    /// Puts the API in front of the Prometheus that holds everybody's series.
    pub(crate) async fn arrive(config: &Path, prometheus: &Prometheus) -> Result<Self> {
        let customers = [
            Customer::new("lemaire", &[LEMAIRE])?,
            Customer::new("fontaine", &[FONTAINE])?,
        ];
        let environment = [("PROMETHEUS_URL", prometheus.url())];
        let api = MetricsApi::serving(config, environment, &customers).await?;
        let [lemaire, fontaine] = customers;
        let (_, place) = api.url().split_once("://").context("a URL without a scheme")?;
        let (target, stage) = place.split_once('/').context("a URL without a stage")?;
        let scrape = format!(
            "scrape_configs:\n- job_name: fanlight\n  metrics_path: /{stage}/federate\n  honor_labels: true\n  \
             scrape_interval: 1s\n  basic_auth: {{username: {}, password: {:?}}}\n  static_configs: [{{targets: [{target}]}}]\n",
            lemaire.name(),
            lemaire.token(),
        );
        let federating = Prometheus::configured(&scrape, &[]).await?;
        Ok(Self {
            api,
            lemaire,
            fontaine,
            federating,
        })
    }

    /// What both are told, and that neither is told of the other: as it would stand in a terminal.
    pub(crate) async fn ask(&self) -> Result<String> {
        let others = format!("customer_transfers{{organisation_id={FONTAINE:?}}}");
        let asked = [
            self.curl(&self.lemaire, SUM).await?,
            self.curl(&self.fontaine, SUM).await?,
            self.curl(&self.lemaire, &others).await?,
        ];
        let mut said = String::new();
        for Asked {
            command,
            status,
            answer,
        } in &asked
        {
            writeln!(said, "$ {command}\n{status} {answer}\n")?;
        }
        let statuses = asked.each_ref().map(|asked| asked.status.as_str());
        ensure!(
            statuses == ["200", "200", "400"],
            "{said}the functions' log:\n{}",
            self.api.log()
        );
        let [lemaire, fontaine, _] = asked.map(|asked| asked.answer);
        ensure!(
            lemaire.contains(LEMAIRE) && !lemaire.contains(FONTAINE),
            "Lemaire is told {lemaire}"
        );
        ensure!(
            fontaine.contains(FONTAINE) && !fontaine.contains(LEMAIRE),
            "Fontaine is told {fontaine}"
        );

        let federated = self.federating.query_until(SUM, |series| !series.is_empty()).await;
        let federated = federated.context("the federating Prometheus got nothing")?;
        let told: Vec<String> = federated
            .iter()
            .map(|series| format!("{series} {}", series.value))
            .collect();
        ensure!(
            told.len() == 1 && told[0].contains(LEMAIRE),
            "the federating Prometheus has {told:?}"
        );
        writeln!(
            said,
            "Lemaire's own Prometheus, which federates: {SUM}\n{}",
            told.join("\n")
        )?;
        Ok(said)
    }

    /// How to ask by oneself.
    pub(crate) fn places(&self, table: &mut Table) {
        for customer in [&self.lemaire, &self.fontaine] {
            let url = format!("{}/api/v1/query?query=customer_transfers", self.api.url());
            table.add_row([
                format!("as {}", customer.name()),
                format!("curl -u {}:{} '{url}'", customer.name(), customer.token()),
            ]);
        }
        table.add_row(["Lemaire's Prometheus".to_owned(), self.federating.url()]);
    }

    async fn curl(&self, customer: &Customer, query: &str) -> Result<Asked> {
        let url = format!("{}/api/v1/query", self.api.url());
        let user = format!("{}:{}", customer.name(), customer.token());
        let query = format!("query={query}");
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--write-out", "\n%{http_code}"])
            .args(["--user", &user, "--data-urlencode", &query, &url])
            .output()
            .await
            .context("curl is not installed")?;
        let said = String::from_utf8(output.stdout)?;
        let (answer, status) = said
            .rsplit_once('\n')
            .with_context(|| format!("curl: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(Asked {
            command: format!("curl -u {}:.. {url} --data-urlencode '{query}'", customer.name()),
            status: status.to_owned(),
            answer: answer.trim_end().to_owned(),
        })
    }
}

//! Two customers of the shop before the Metrics API: what each gets with curl, and what one takes into a Prometheus of
//! his own.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;
use fanlight_tests::{Customer, MetricsApi, Prometheus};
use tokio::process::Command;

use crate::tables::table;

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
    who: &'static str,
    query: String,
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

    /// What both are told, and that neither is told of the other.
    pub(crate) async fn ask(&self) -> Result<Table> {
        let others = format!("customer_transfers{{organisation_id={FONTAINE:?}}}");
        let asked = [
            self.curl(&self.lemaire, "Boulangerie Lemaire", SUM).await?,
            self.curl(&self.fontaine, "Atelier Fontaine", SUM).await?,
            self.curl(&self.lemaire, "Boulangerie Lemaire", &others).await?,
        ];
        let [lemaire, fontaine, refused] = &asked;
        ensure!(
            lemaire.status == "200" && fontaine.status == "200",
            "{}",
            self.problem(&asked)
        );
        ensure!(
            lemaire.answer.contains(LEMAIRE) && !lemaire.answer.contains(FONTAINE),
            "{}",
            lemaire.answer
        );
        ensure!(
            fontaine.answer.contains(FONTAINE) && !fontaine.answer.contains(LEMAIRE),
            "{}",
            fontaine.answer
        );
        ensure!(refused.status == "400", "{}", self.problem(&asked));

        let mut table = table(["customer", "asks with curl", "status", "is told"]);
        for Asked {
            who,
            query,
            status,
            answer,
        } in asked
        {
            table.add_row([who.to_owned(), query, status, answer]);
        }
        let federated = self
            .federating
            .query_until(SUM, |series| !series.is_empty())
            .await
            .context("the federating Prometheus got nothing")?;
        let told: Vec<String> = federated
            .iter()
            .map(|series| format!("{series} {}", series.value))
            .collect();
        ensure!(told.len() == 1 && told[0].contains(LEMAIRE), "{told:?}");
        table.add_row([
            "Boulangerie Lemaire".to_owned(),
            format!("his own Prometheus, which federates: {SUM}"),
            String::new(),
            told.join("\n"),
        ]);
        Ok(table)
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

    async fn curl(&self, customer: &Customer, who: &'static str, query: &str) -> Result<Asked> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--user"])
            .arg(format!("{}:{}", customer.name(), customer.token()))
            .arg("--data-urlencode")
            .arg(format!("query={query}"))
            .arg(format!("{}/api/v1/query", self.api.url()))
            .output()
            .await
            .context("curl is not installed")?;
        let said = String::from_utf8(output.stdout)?;
        let (answer, status) = said.rsplit_once('\n').with_context(|| {
            let problem = String::from_utf8_lossy(&output.stderr);
            format!("curl: {problem}")
        })?;
        Ok(Asked {
            who,
            query: query.to_owned(),
            status: status.to_owned(),
            answer: answer.trim_end().to_owned(),
        })
    }

    fn problem(&self, asked: &[Asked]) -> String {
        let answers: Vec<_> = asked
            .iter()
            .map(|asked| format!("{} {}", asked.status, asked.answer))
            .collect();
        format!("{}\nthe functions' log:\n{}", answers.join("\n"), self.api.log())
    }
}

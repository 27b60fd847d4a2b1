//! The settings of a REST API, and what can be wrong with them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::Method;

use super::authorizer::Authorizer;
use super::gateway_response::{GatewayResponse, GatewayResponses, ResponseType};
use super::integration::Integration;
use super::routes::Resource;
use super::usage_plan::{ApiKey, UsagePlan};
use super::{Inner, RestApi};

/// The settings of a [`RestApi`].
#[must_use]
pub struct RestApiBuilder {
    stage: String,
    methods: Vec<(Option<Method>, String, Integration)>,
    authorizer: Option<Authorizer>,
    keys: HashMap<String, ApiKey>,
    responses: GatewayResponses,
    binary_media_types: Vec<String>,
}

/// Settings of which AWS would not make an API.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRestApi {
    /// The API has no method.
    #[error("the API has no method; add one with `any` or `method`")]
    NoMethod,
    /// The stage's name is none.
    #[error("the stage `{0}` is not 1 to 128 letters, digits, hyphens and underscores")]
    Stage(String),
    /// A resource's path is none.
    #[error("the resource `{path}` {problem}; write it as /api/{{name}}/values or /{{proxy+}}")]
    Resource {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A method is there twice.
    #[error("the resource `{path}` has the method {method} twice")]
    Twice {
        /// The resource's path.
        path: String,
        /// The method.
        method: String,
    },
    /// API keys come from the authorizer, and there is none.
    #[error("usage plans need an authorizer, which says the API key (`usageIdentifierKey`)")]
    KeysWithoutAuthorizer,
    /// A gateway response names a variable that is not known here.
    #[error("the body of a gateway response has `{variable}`, which is not filled in here")]
    Variable {
        /// The variable.
        variable: String,
    },
}

impl RestApiBuilder {
    pub(super) fn new() -> Self {
        Self {
            stage: "prod".into(),
            methods: Vec::new(),
            authorizer: None,
            keys: HashMap::new(),
            responses: GatewayResponses::new(),
            binary_media_types: Vec::new(),
        }
    }

    /// The stage, which is the first part of every path; `prod` by default.
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = stage.into();
        self
    }

    /// Adds the method `ANY` of a resource.
    pub fn any(mut self, resource: impl Into<String>, integration: Integration) -> Self {
        self.methods.push((None, resource.into(), integration));
        self
    }

    /// Adds one method of a resource, which comes before its `ANY`.
    pub fn method(mut self, method: Method, resource: impl Into<String>, integration: Integration) -> Self {
        self.methods.push((Some(method), resource.into(), integration));
        self
    }

    /// Sets the authorizer of all methods. Without one, anybody may call.
    pub fn authorizer(mut self, authorizer: Authorizer) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// Adds API keys of a usage plan. From then on every method needs a key, which is the authorizer's
    /// `usageIdentifierKey` (`ApiKeySourceType: AUTHORIZER`), unless its integration is [`Integration::without_key`].
    pub fn usage_plan<K: Into<String>>(mut self, plan: &UsagePlan, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(|key| (key.into(), ApiKey::new(plan.clone())));
        self.keys.extend(keys);
        self
    }

    /// Words an answer of API Gateway itself otherwise.
    pub fn gateway_response(mut self, response_type: ResponseType, response: GatewayResponse) -> Self {
        self.responses.insert(response_type, response);
        self
    }

    /// Adds a media type whose bodies are binary, as `image/png` or `*/*`. A stream does not need it.
    pub fn binary_media_type(mut self, media_type: impl Into<String>) -> Self {
        self.binary_media_types.push(media_type.into());
        self
    }

    /// The API. Its Region is that of its first function.
    ///
    /// # Errors
    /// When AWS would not make such an API.
    pub fn build(self) -> Result<RestApi, InvalidRestApi> {
        let first = self.methods.first().ok_or(InvalidRestApi::NoMethod)?;
        let region = first.2.function.region();
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=128).contains(&self.stage.len()) || !self.stage.bytes().all(of_name) {
            return Err(InvalidRestApi::Stage(self.stage));
        }
        if !self.keys.is_empty() && self.authorizer.is_none() {
            return Err(InvalidRestApi::KeysWithoutAuthorizer);
        }
        if let Some(variable) = self.responses.values().find_map(GatewayResponse::unknown_variable) {
            return Err(InvalidRestApi::Variable {
                variable: variable.into(),
            });
        }
        let mut resources: Vec<Resource> = Vec::new();
        for (method, path, integration) in self.methods {
            let at = resources.iter().position(|resource| resource.path == path);
            let at = if let Some(at) = at {
                at
            } else {
                let resource = Resource::parse(&path, resources.len()).map_err(|problem| InvalidRestApi::Resource {
                    path: path.clone(),
                    problem,
                })?;
                resources.push(resource);
                resources.len() - 1
            };
            let methods = &mut resources[at].methods;
            if methods.iter().any(|(known, _)| *known == method) {
                let method = method.map_or_else(|| "ANY".into(), |method| method.to_string());
                return Err(InvalidRestApi::Twice { path, method });
            }
            methods.push((method, integration));
        }
        Ok(RestApi {
            inner: Arc::new(Inner {
                region,
                stage: self.stage,
                resources,
                authorizer: self.authorizer,
                keys: self.keys,
                responses: self.responses,
                binary_media_types: self.binary_media_types,
            }),
        })
    }
}

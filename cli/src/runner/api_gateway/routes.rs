//! The resources of an API and their methods: which one a request is for.

use std::collections::BTreeMap;

use axum::http::Method;

use super::integration::Integration;

/// One resource of the API, as `/api/v1/label/{name}/values` or `/{proxy+}`.
pub(super) struct Resource {
    pub(super) path: String,
    /// Six characters, as AWS makes them up.
    pub(super) id: String,
    segments: Vec<Segment>,
    /// `None` is `ANY`.
    pub(super) methods: Vec<(Option<Method>, Integration)>,
}

/// A part of a resource's path; the more it says the greater it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// `{name+}`: one or more parts to the end.
    Greedy(String),
    /// `{name}`: exactly one.
    Variable(String),
    Literal(String),
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Greedy(_) => 0,
            Self::Variable(_) => 1,
            Self::Literal(_) => 2,
        }
    }
}

/// The values of the variables in a resource's path.
pub(super) type PathParameters = BTreeMap<String, String>;

impl Resource {
    /// The resource of this path, or what is wrong with it.
    pub(super) fn parse(path: &str, number: usize) -> Result<Self, &'static str> {
        let rest = path.strip_prefix('/').ok_or("does not begin with a slash")?;
        let mut segments = Vec::new();
        for part in rest.split('/').filter(|_| !rest.is_empty()) {
            if matches!(segments.last(), Some(Segment::Greedy(_))) {
                return Err("has something behind its greedy variable");
            }
            let variable = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let segment = match variable {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Greedy(name.into()),
                    None => Segment::Variable(name.into()),
                },
                None => Segment::Literal(part.into()),
            };
            let (Segment::Greedy(name) | Segment::Variable(name) | Segment::Literal(name)) = &segment;
            if name.is_empty() || name.contains(['{', '}', '+']) {
                return Err("has a part that is empty or has braces in the middle");
            }
            segments.push(segment);
        }
        Ok(Self {
            path: path.into(),
            id: format!("res{number:03}"),
            segments,
            methods: Vec::new(),
        })
    }

    /// The values of the variables when this resource is meant. They stay encoded as they came: REST APIs, unlike HTTP
    /// APIs, decode neither `path` nor `pathParameters` (aws/aws-sam-cli issue 771, localstack/localstack pull request
    /// 7728, both compared with AWS). A slash at the end belongs to no variable.
    fn matches(&self, path: &str) -> Option<PathParameters> {
        let path = path.strip_prefix('/')?;
        let mut rest = Some(path.strip_suffix('/').unwrap_or(path)).filter(|path| !path.is_empty());
        let mut parameters = PathParameters::new();
        for segment in &self.segments {
            let path = rest?;
            let (part, after) = path
                .split_once('/')
                .map_or((path, None), |(part, after)| (part, Some(after)));
            match segment {
                Segment::Literal(literal) if literal == part => rest = after,
                Segment::Variable(name) if !part.is_empty() => {
                    parameters.insert(name.clone(), part.into());
                    rest = after;
                }
                Segment::Greedy(name) => {
                    parameters.insert(name.clone(), path.into());
                    rest = None;
                }
                _ => return None,
            }
        }
        rest.is_none().then_some(parameters)
    }

    /// The integration of the method: its own before `ANY`.
    pub(super) fn integration(&self, method: &Method) -> Option<&Integration> {
        // Those that API Gateway has; `ANY` means them alone.
        let known = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"].contains(&method.as_str());
        let own = |wanted: Option<&Method>| {
            self.methods
                .iter()
                .find(|(configured, _)| configured.as_ref() == wanted)
                .map(|(_, integration)| integration)
        };
        own(Some(method)).or_else(|| own(None)).filter(|_| known)
    }
}

/// The resource that says most about the path. Its methods alone count: a method that it has not is not looked for in
/// a greedier resource.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-set-up-simple-proxy.html>
pub(super) fn find<'a>(resources: &'a [Resource], path: &str) -> Option<(&'a Resource, PathParameters)> {
    resources
        .iter()
        .filter_map(|resource| Some((resource, resource.matches(path)?)))
        .max_by_key(|(resource, _)| resource.segments.iter().map(Segment::rank).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources() -> Vec<Resource> {
        [
            "/",
            "/{proxy+}",
            "/api/{version}",
            "/api/{version}/{rest+}",
            "/api/v1/query",
        ]
        .iter()
        .enumerate()
        .map(|(number, path)| Resource::parse(path, number).expect("a path"))
        .collect()
    }

    #[test]
    fn the_resource_that_says_most_is_meant() {
        type Found<'a> = Option<(&'a str, &'a [(&'a str, &'a str)])>;
        let cases: [(&str, Found<'_>); 11] = [
            ("/", Some(("/", &[]))),
            ("/api/v1/query", Some(("/api/v1/query", &[]))),
            ("/api/v1/query/", Some(("/api/v1/query", &[]))),
            ("/api/v2", Some(("/api/{version}", &[("version", "v2")]))),
            (
                "/api/v1/label/a/values",
                Some((
                    "/api/{version}/{rest+}",
                    &[("version", "v1"), ("rest", "label/a/values")],
                )),
            ),
            ("/federate", Some(("/{proxy+}", &[("proxy", "federate")]))),
            ("/federate/", Some(("/{proxy+}", &[("proxy", "federate")]))),
            ("/api", Some(("/{proxy+}", &[("proxy", "api")]))),
            ("/a%2Fb%20c/../d", Some(("/{proxy+}", &[("proxy", "a%2Fb%20c/../d")]))),
            ("//api/v1/query", Some(("/{proxy+}", &[("proxy", "/api/v1/query")]))),
            ("no-slash", None),
        ];
        let resources = resources();
        for (path, expected) in cases {
            let expected = expected.map(|(resource, parameters)| {
                let parameters = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into()));
                (resource, parameters.collect::<PathParameters>())
            });
            let found = find(&resources, path).map(|(resource, parameters)| (resource.path.as_str(), parameters));
            assert_eq!(found, expected, "{path}");
        }
        // A greedy variable takes at least one part.
        let greedy = [Resource::parse("/{proxy+}", 0).expect("a path")];
        assert!(find(&greedy, "/").is_none());
    }

    #[test]
    fn a_path_that_api_gateway_would_not_take_is_refused() {
        for path in ["api", "/{proxy+}/more", "/a//b", "/{}", "/a{b}", "/{a+b}"] {
            assert!(Resource::parse(path, 0).is_err(), "{path}");
        }
    }
}

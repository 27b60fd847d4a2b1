//! A function behind API Gateway that does what the request says, for the tests of that front: an authorizer by the
//! `Authorization` header, an integration by the query's `do`. It speaks to the Runtime API itself, as a runtime that
//! keeps the rules could not break them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// A megabyte of a stream.
const MEGABYTE: usize = 1 << 20;

fn main() -> io::Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    loop {
        let mut stream = TcpStream::connect(&api)?;
        write!(
            stream,
            "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\r\n"
        )?;
        let (id, event) = read_event(stream)?;
        let event: Value = serde_json::from_slice(&event)?;
        let mut reply = Reply {
            stream: TcpStream::connect(&api)?,
            api: &api,
            id: &id,
        };
        if event["type"] == "REQUEST" {
            reply.authorize(&event)?;
        } else {
            reply.integrate(&event)?;
        }
        // The next invocation begins when this one is taken note of.
        let mut answer = Vec::new();
        reply.stream.read_to_end(&mut answer)?;
    }
}

fn read_event(stream: TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut id = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("lambda-runtime-aws-request-id: ") {
            id = value.trim().into();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut event = Vec::new();
    reader.read_to_end(&mut event)?;
    Ok((id, event))
}

struct Reply<'a> {
    stream: TcpStream,
    api: &'a str,
    id: &'a str,
}

impl Reply<'_> {
    /// `Bearer <what to do> <argument>`; every event is noted in the log.
    fn authorize(&mut self, event: &Value) -> io::Result<()> {
        note(&format!("authorizer {event}"));
        let authorization = event["headers"]["authorization"].as_str().unwrap_or_default();
        let words: Vec<&str> = authorization.split(' ').collect();
        let argument = words.get(2).copied().unwrap_or_default();
        let method_arn = event["methodArn"].as_str().unwrap_or_default();
        let answer = |effect: &str, resource: &str| {
            json!({
                "principalId": "acme",
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}],
                },
                "context": {"organisations": "[\"acme\"]", "number": 7, "truth": true},
            })
        };
        let answer = match words.get(1).copied().unwrap_or_default() {
            "allow" => answer("Allow", "*"),
            "key" => {
                let mut answer = answer("Allow", "*");
                answer["usageIdentifierKey"] = argument.into();
                answer
            }
            "only" => answer("Allow", method_arn),
            "deny" => answer("Deny", "*"),
            "other" => answer("Allow", "arn:aws:execute-api:*:*:other/*"),
            "object" => {
                let mut answer = answer("Allow", "*");
                answer["context"] = json!({"organisations": ["acme"]});
                answer
            }
            "policy" => json!({"principalId": "acme", "policyDocument": "none"}),
            "sleep" => {
                std::thread::sleep(Duration::from_mins(10));
                Value::Null
            }
            words => return self.fail(if words == "refused" { "Unauthorized" } else { "no luck" }),
        };
        self.whole(&answer.to_string())
    }

    fn integrate(&mut self, event: &Value) -> io::Result<()> {
        let parameter = |name: &str| event["queryStringParameters"][name].as_str().unwrap_or_default();
        let number: usize = parameter("number").parse().unwrap_or_default();
        match parameter("do") {
            "fail" => self.fail("no luck"),
            "exit" => std::process::exit(3),
            "sleep" => {
                note("asleep");
                std::thread::sleep(Duration::from_mins(10));
                Ok(())
            }
            // Exactly this, in one piece.
            "whole" => self.whole(parameter("text")),
            // Exactly this, streamed, with NULs written as dots.
            "raw" => {
                self.begin(parameter("type"))?;
                self.chunk(parameter("text").replace('.', "\0").as_bytes())?;
                self.finish("")
            }
            "large prelude" => {
                self.begin_http()?;
                self.chunk(format!("{{{}\0\0\0\0\0\0\0\0", " ".repeat(number)).as_bytes())?;
                self.finish("")
            }
            // Each byte of the prelude and of the body by itself.
            "bytes" => {
                self.begin_http()?;
                for byte in b"{\"statusCode\":201}\0\0\0\0\0\0\0\0\0body" {
                    self.chunk(&[*byte])?;
                }
                self.finish("")
            }
            // The second half comes only when a file is there.
            "halves" => {
                self.http_stream("first ")?;
                while !Path::new(parameter("until")).exists() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                self.chunk(b"second")?;
                self.finish("")
            }
            "megabytes" => {
                self.http_stream("")?;
                let megabyte = vec![b'x'; MEGABYTE];
                for sent in 1..=number {
                    self.chunk(&megabyte)?;
                    note(&format!("sent {sent}"));
                }
                self.finish("")?;
                note("sent all");
                Ok(())
            }
            "break" => {
                self.http_stream("half")?;
                self.finish("Lambda-Runtime-Function-Error-Type: Runtime.Half\r\nLambda-Runtime-Function-Error-Body: aGFsZg==\r\n")
            }
            "crash" => {
                self.http_stream("half")?;
                std::thread::sleep(Duration::from_millis(100));
                std::process::exit(4)
            }
            "hang" => {
                self.http_stream("half")?;
                std::thread::sleep(Duration::from_mins(10));
                Ok(())
            }
            // Cuts its connection to the runtime in the middle of a chunk, and lives on.
            "cut" => {
                self.http_stream("half")?;
                self.stream.write_all(b"ff\r\nnot all of it")?;
                self.stream.shutdown(std::net::Shutdown::Both)
            }
            // The event, and every header that is to be seen in the answer.
            _ => {
                self.begin_http()?;
                let prelude = json!({
                    "statusCode": 200,
                    "headers": {"Content-Type": "application/json", "Content-Length": "7"},
                    "cookies": ["a=b", "c=d"],
                });
                self.chunk(format!("{prelude}\0\0\0\0\0\0\0\0").as_bytes())?;
                self.chunk(event.to_string().as_bytes())?;
                self.finish("")
            }
        }
    }

    /// An answer in one piece.
    fn whole(&mut self, body: &str) -> io::Result<()> {
        self.post("response", body)
    }

    fn fail(&mut self, message: &str) -> io::Result<()> {
        self.post(
            "error",
            &json!({"errorType": "Probe", "errorMessage": message}).to_string(),
        )
    }

    fn post(&mut self, path: &str, body: &str) -> io::Result<()> {
        let (api, id, length) = (self.api, self.id, body.len());
        write!(
            self.stream,
            "POST /2018-06-01/runtime/invocation/{id}/{path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\
            Content-Length: {length}\r\n\r\n{body}"
        )
    }

    /// A stream with a prelude that says 200, and the beginning of its body.
    fn http_stream(&mut self, first: &str) -> io::Result<()> {
        self.begin_http()?;
        self.chunk(format!("{{\"statusCode\":200}}\0\0\0\0\0\0\0\0{first}").as_bytes())
    }

    fn begin_http(&mut self) -> io::Result<()> {
        self.begin("application/vnd.awslambda.http-integration-response")
    }

    fn begin(&mut self, content_type: &str) -> io::Result<()> {
        let (api, id) = (self.api, self.id);
        write!(
            self.stream,
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\
            Transfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
            Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\
            Content-Type: {content_type}\r\n\r\n"
        )
    }

    fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        write!(self.stream, "{:x}\r\n", bytes.len())?;
        self.stream.write_all(bytes)?;
        self.stream.write_all(b"\r\n")
    }

    fn finish(&mut self, trailers: &str) -> io::Result<()> {
        write!(self.stream, "0\r\n{trailers}\r\n")
    }
}

fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

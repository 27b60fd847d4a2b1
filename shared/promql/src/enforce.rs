//! Rewrites a query so that every selector in it carries every matcher of a policy.
//!
//! The query is written anew from its tokens: a syntax tree printed again loses things even in Prometheus' own printer,
//! and matchers spliced into the caller's text rely on every upstream cutting it into the same tokens, which they do not
//! (a comment ends at `\r` for some and not for others). What is written has no comments, one kind of quotes, few escapes
//! and one space between any two tokens. It leaves only after [`super::proof`] has read it again.

use super::ast::{Matcher, NodeKind, Selector};
use super::check::{self, EmptySelectors};
use super::error::{NO_EXPRESSION, ParseError, Span, SyntaxError};
use super::lexer::{self, canonical};
use super::number;
use super::parser::{self, Syntax};
use super::policy::{Policy, Verdict};
use super::proof::{self, Form};
use super::refusal::{Denied, EnforceError, Reason, Refusal, TooLong};
use super::string::quote;
use super::token::{Token, TokenKind};

/// The selector of every series, which no one may use as it is.
const EVERYTHING: &str = "{}";

impl Policy {
    /// The query with the policy's matchers in each of its selectors. An empty query asks for all that may be read, and
    /// one of comments alone is refused.
    ///
    /// # Errors
    /// When the query is no PromQL, passes a limit, or asks for what the policy does not allow. Nothing of it may then
    /// be sent anywhere.
    pub fn enforce(&self, query: &str) -> Result<String, EnforceError> {
        self.rewrite(query, Form::Expression)
    }

    /// A series selector, such as that of `match[]`, with the policy's matchers. An empty one selects all that may be
    /// read.
    ///
    /// # Errors
    /// As for [`Policy::enforce`].
    pub fn enforce_selector(&self, selector: &str) -> Result<String, EnforceError> {
        self.rewrite(selector, Form::Selector)
    }

    /// The selector of all that may be read, for a request without one.
    ///
    /// # Errors
    /// When nothing may be read.
    pub fn selector(&self) -> Result<String, EnforceError> {
        self.rewrite(EVERYTHING, Form::Selector)
    }

    fn rewrite(&self, query: &str, form: Form) -> Result<String, EnforceError> {
        if let Some(label) = self.denying_label() {
            return Err(Denied {
                label: label.name().to_owned(),
            }
            .into());
        }
        let mut syntax = parser::parse(query, form, self.limits())?;
        if syntax.tree.nodes.is_empty() {
            if !query.bytes().all(lexer::is_space) {
                // Whoever has turned a query into a comment did not mean to ask for everything.
                return Err(ParseError::from(SyntaxError::new(query, Span::default(), NO_EXPRESSION)).into());
            }
            syntax = parser::parse(EVERYTHING, form, self.limits())?;
        }
        // The matchers that are to be added match no series without their labels, so no selector stays empty.
        check::check(&mut syntax.tree, EmptySelectors::Allowed)?;
        check_names(&syntax)?;
        check_numbers(&syntax)?;
        check_info(&syntax)?;
        let (text, replaced) = self.write(&syntax)?;
        proof::prove(&text, form, self, &syntax, &replaced)?;
        Ok(text)
    }

    /// The enforced text, and which of the query's matchers it has not taken over.
    fn write(&self, syntax: &Syntax<'_>) -> Result<(String, Vec<usize>), EnforceError> {
        let Syntax { tokens, tree } = syntax;
        let too_long = TooLong {
            selectors: tree.selectors.len(),
            limit: self.limits().enforced_bytes,
        };
        let added = tree
            .selectors
            .len()
            .saturating_mul(self.matchers().len() + " {  } ,".len());
        if added > too_long.limit as usize {
            return Err(too_long.into());
        }

        let mut writer = Writer {
            query: tree.query,
            out: String::with_capacity(added + tree.query.len() * 3 / 2),
        };
        let mut replaced = Vec::new();
        let mut at = 0;
        for selector in &tree.selectors {
            let Some(left_brace) = selector.left_brace else {
                writer.tokens(&tokens[at..selector.end as usize]);
                writer.words(&["{", self.matchers(), "}"]);
                at = selector.end as usize;
                continue;
            };
            at = self.braces(
                &mut writer,
                syntax,
                at..left_brace as usize + 1,
                selector,
                &mut replaced,
            )?;
        }
        writer.tokens(&tokens[at..]);
        if writer.out.len() > too_long.limit as usize {
            return Err(too_long.into());
        }
        Ok((writer.out, replaced))
    }

    /// Writes what stands `before` a selector's matchers, the policy's matchers, and those of its own that stay. Returns
    /// the token to go on with.
    fn braces(
        &self,
        writer: &mut Writer<'_>,
        syntax: &Syntax<'_>,
        before: std::ops::Range<usize>,
        selector: &Selector,
        replaced: &mut Vec<usize>,
    ) -> Result<usize, Refusal> {
        let Syntax { tokens, tree } = syntax;
        let mut at = before.end;
        writer.tokens(&tokens[before]);
        writer.words(&[self.matchers()]);
        let mut separated = false;
        for index in selector.matchers.range() {
            let matcher = &tree.matchers[index];
            let end = after_comma(tokens, matcher);
            if self.judge(syntax, matcher)? == Verdict::Replace {
                replaced.push(index);
            } else {
                if !separated {
                    writer.words(&[","]);
                    separated = true;
                }
                writer.tokens(&tokens[at..end]);
            }
            at = end;
        }
        Ok(at)
    }

    fn judge(&self, syntax: &Syntax<'_>, matcher: &Matcher) -> Result<Verdict, Refusal> {
        let tree = &syntax.tree;
        let name = tree.bytes(matcher.name);
        let Some(label) = self.labels().iter().find(|label| label.name().as_bytes() == name) else {
            return Ok(Verdict::Keep);
        };
        label
            .judge(matcher.operator, tree.bytes(matcher.value))
            .map_err(|reason| Refusal::new(tree.query, matcher.span, reason))
    }
}

/// The token after a matcher and the comma that may follow it.
pub(super) fn after_comma(tokens: &[Token], matcher: &Matcher) -> usize {
    let end = matcher.end as usize;
    end + usize::from(tokens[end].kind == TokenKind::Comma)
}

/// Names on which upstreams disagree are refused wherever they stand, in selectors and in groupings.
fn check_names(syntax: &Syntax<'_>) -> Result<(), Refusal> {
    let Syntax { tokens, tree } = syntax;
    let Some((name, matcher)) = tree.doubtful_name() else {
        return Ok(());
    };
    // The labels of groupings do not keep where they stand; the first string of these bytes is near enough.
    let of_string = || {
        let same = |token: &&Token| token.kind == TokenKind::String && *canonical(tree.query, **token) == *name;
        tokens.iter().find(same).map_or(Span::default(), |token| token.span)
    };
    let span = matcher.map_or_else(of_string, |matcher| matcher.span);
    let name = Reason::shown(name);
    Err(Refusal::new(tree.query, span, Reason::Name { name }))
}

/// Numbers that do not say the same wherever they stand are refused.
fn check_numbers(syntax: &Syntax<'_>) -> Result<(), Refusal> {
    let Syntax { tokens, tree } = syntax;
    if let Some(span) = tree.doubtful_time() {
        return Err(Refusal::new(tree.query, span, Reason::Time));
    }
    // `0x1e` is no number at the very end, and blanks or comments that followed it there are not written again.
    if let [.., last, _] = tokens.as_slice()
        && last.kind == TokenKind::Number
    {
        let text = last.span.text(tree.query);
        if text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && number::number_length(text.as_bytes()).is_none()
        {
            let number = Reason::shown(text.as_bytes());
            return Err(Refusal::new(tree.query, last.span, Reason::Number { number }));
        }
    }
    Ok(())
}

/// `info()` reads a second set of series: `target_info`, or what its second argument names. That argument's matchers go
/// into the reading, but they also choose the labels that are added to the answer, so the enforced ones may join them
/// without changing the answer only where there is another such choice already.
fn check_info(syntax: &Syntax<'_>) -> Result<(), Refusal> {
    let tree = &syntax.tree;
    for node in &tree.nodes {
        let NodeKind::Call { function, arguments } = node.kind else {
            continue;
        };
        if !function.reads_unwritten {
            continue;
        }
        let chooses_labels =
            |matcher: &Matcher| tree.bytes(matcher.name) != b"__name__" && !tree.matches_empty(matcher);
        let enforceable = tree.arguments[arguments.range()].get(1).is_some_and(|argument| {
            matches!(tree.node(*argument).kind, NodeKind::Selector(id)
                if tree.matchers[tree.selectors[id.at()].matchers.range()].iter().any(chooses_labels))
        });
        if !enforceable {
            return Err(Refusal::new(tree.query, node.span, Reason::Info));
        }
    }
    Ok(())
}

/// Writes tokens with one space between them.
struct Writer<'q> {
    query: &'q str,
    out: String,
}

impl Writer<'_> {
    fn words(&mut self, words: &[&str]) {
        for word in words {
            self.space();
            self.out.push_str(word);
        }
    }

    fn tokens(&mut self, tokens: &[Token]) {
        for token in tokens {
            match token.kind {
                TokenKind::EndOfInput => {}
                TokenKind::String => {
                    self.space();
                    quote(&canonical(self.query, *token), &mut self.out);
                }
                _ => self.words(&[token.span.text(self.query)]),
            }
        }
    }

    fn space(&mut self) {
        if !self.out.is_empty() {
            self.out.push(' ');
        }
    }
}

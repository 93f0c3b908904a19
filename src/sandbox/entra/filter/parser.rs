//! The grammar of `$filter`.

use jiff::Timestamp;

use super::super::answer::Failure;
use super::{Expression, Literal, Operator};

/// Parentheses and `not` may be nested this deep.
const DEEPEST: usize = 50;
/// Comparisons in one expression.
const MOST_CLAUSES: usize = 200;

/// Reads an expression; `lookup` knows the properties by name.
pub(in super::super) fn parse<P: Copy>(
    text: &str,
    lookup: impl Fn(&str) -> Option<P>,
) -> Result<Expression<P>, Failure> {
    let mut parser = Parser {
        tokens: tokenize(text)?,
        next: 0,
        clauses: 0,
        lookup,
    };
    let expression = parser.or(0)?;
    match parser.take() {
        None => Ok(expression),
        Some(_) => Err(syntax()),
    }
}

fn syntax() -> Failure {
    Failure::bad_request("Invalid filter clause")
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(Box<str>),
    Open,
    Close,
    Comma,
}

fn tokenize(text: &str) -> Result<Vec<Token>, Failure> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => {
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        None => {
                            return Err(Failure::bad_request(
                                "There is an unterminated string literal in the filter clause.",
                            ));
                        }
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(char) => literal.push(char),
                    }
                }
                tokens.push(Token::Text(literal.into()));
            }
            char if char.is_whitespace() => {}
            char => {
                let mut word = String::from(char);
                while let Some(char) =
                    chars.next_if(|char| !char.is_whitespace() && !matches!(char, '(' | ')' | ',' | '\''))
                {
                    word.push(char);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

struct Parser<F> {
    tokens: Vec<Token>,
    next: usize,
    clauses: usize,
    lookup: F,
}

impl<P: Copy, F: Fn(&str) -> Option<P>> Parser<F> {
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn take_if(&mut self, wanted: &Token) -> bool {
        let is_next = self.tokens.get(self.next) == Some(wanted);
        self.next += usize::from(is_next);
        is_next
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_next = matches!(
            self.tokens.get(self.next),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword)
        );
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), Failure> {
        if self.take_if(wanted) {
            Ok(())
        } else {
            Err(syntax())
        }
    }

    fn word(&mut self) -> Result<String, Failure> {
        match self.take() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(syntax()),
        }
    }

    fn text(&mut self) -> Result<Box<str>, Failure> {
        match self.take() {
            Some(Token::Text(text)) => Ok(text),
            _ => Err(syntax()),
        }
    }

    fn or(&mut self, depth: usize) -> Result<Expression<P>, Failure> {
        let mut left = self.and(depth)?;
        while self.take_keyword("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Expression<P>, Failure> {
        let mut left = self.unary(depth)?;
        while self.take_keyword("and") {
            left = Expression::And(Box::new(left), Box::new(self.unary(depth)?));
        }
        Ok(left)
    }

    fn unary(&mut self, depth: usize) -> Result<Expression<P>, Failure> {
        if depth > DEEPEST {
            return Err(syntax());
        }
        if self.take_keyword("not") {
            return Ok(Expression::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.take_if(&Token::Open) {
            let inner = self.or(depth + 1)?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        self.clause()
    }

    fn clause(&mut self) -> Result<Expression<P>, Failure> {
        self.clauses += 1;
        if self.clauses > MOST_CLAUSES {
            return Err(Failure::bad_request(
                "Too many child clauses specified in search filter expression.",
            ));
        }
        let word = self.word()?;
        if let Some(list) = word.strip_suffix("/any") {
            return self.any(list);
        }
        if self.take_if(&Token::Open) {
            return self.call(&word);
        }
        let property = self.property(&word)?;
        let operator = self.word()?;
        if operator.eq_ignore_ascii_case("in") {
            self.expect(&Token::Open)?;
            let mut literals = vec![self.literal()?];
            while self.take_if(&Token::Comma) {
                literals.push(self.literal()?);
            }
            self.expect(&Token::Close)?;
            return Ok(Expression::In(property, literals));
        }
        let operator = comparison(&operator)?;
        Ok(Expression::Compare(property, operator, self.literal()?))
    }

    /// After `startswith(`.
    fn call(&mut self, name: &str) -> Result<Expression<P>, Failure> {
        let operator = function(name)?;
        let property = self.word()?;
        let property = self.property(&property)?;
        self.expect(&Token::Comma)?;
        let text = self.text()?;
        self.expect(&Token::Close)?;
        if self.take_keyword("eq") && !self.take_keyword("true") {
            return Err(syntax());
        }
        Ok(Expression::Compare(property, operator, Literal::Text(text)))
    }

    /// After `proxyAddresses/any`.
    fn any(&mut self, list: &str) -> Result<Expression<P>, Failure> {
        let property = self.property(list)?;
        self.expect(&Token::Open)?;
        // `p:p eq 'x'` or `p: startswith(p,'x')`
        let variable_and_rest = self.word()?;
        let (variable, rest) = variable_and_rest.split_once(':').ok_or_else(syntax)?;
        let head = if rest.is_empty() {
            self.word()?
        } else {
            rest.to_owned()
        };
        let expression = if head == variable {
            let operator = self.word()?;
            let operator = comparison(&operator)?;
            Expression::Any(property, operator, self.text()?)
        } else {
            let operator = function(&head)?;
            self.expect(&Token::Open)?;
            if self.word()? != variable {
                return Err(syntax());
            }
            self.expect(&Token::Comma)?;
            let text = self.text()?;
            self.expect(&Token::Close)?;
            Expression::Any(property, operator, text)
        };
        self.expect(&Token::Close)?;
        Ok(expression)
    }

    fn property(&self, name: &str) -> Result<P, Failure> {
        (self.lookup)(name).ok_or_else(|| {
            Failure::bad_request(format!(
                "Invalid filter clause: Could not find a property named '{name}'."
            ))
        })
    }

    fn literal(&mut self) -> Result<Literal, Failure> {
        match self.take() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) => match word.as_str() {
                "null" => Ok(Literal::Null),
                "true" => Ok(Literal::Bool(true)),
                "false" => Ok(Literal::Bool(false)),
                word => word.parse::<Timestamp>().map(Literal::Time).map_err(|_| syntax()),
            },
            _ => Err(syntax()),
        }
    }
}

fn comparison(word: &str) -> Result<Operator, Failure> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "eq" => Operator::Equal,
        "ne" => Operator::NotEqual,
        "ge" => Operator::GreaterOrEqual,
        "le" => Operator::LessOrEqual,
        "gt" => Operator::Greater,
        "lt" => Operator::Less,
        _ => return Err(syntax()),
    })
}

fn function(name: &str) -> Result<Operator, Failure> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "startswith" => Operator::StartsWith,
        "endswith" => Operator::EndsWith,
        "contains" => Operator::Contains,
        _ => {
            return Err(Failure::bad_request(format!(
                "Invalid filter clause: An unknown function with name '{name}' was found."
            )));
        }
    })
}

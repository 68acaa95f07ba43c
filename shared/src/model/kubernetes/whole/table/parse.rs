//! Reads the table's text.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::GzDecoder;

use super::{Field, Fields, Held, LeftOut, Meaning, Numbers, Of, Special, Table, Type, TypeId};

/// How deep messages are inlined: twice at most, in fact.
const INLINED: usize = 8;

/// The committed table.
pub fn committed() -> Table {
    let packed = include_bytes!("kinds.txt.gz");
    let mut text = String::new();
    // What is compiled in is whole: a test reads it. Were it not, no kind would be known.
    if GzDecoder::new(&packed[..]).read_to_string(&mut text).is_err() {
        return Table::default();
    }
    parse(text.leak())
}

/// A field of a type as it stands in the text.
struct Line {
    number: u32,
    name: &'static str,
    left_out: LeftOut,
    held: Held,
    of: &'static str,
}

/// A type as it stands in the text.
enum Raw {
    Fields(Vec<Line>),
    List(&'static str),
    Special,
}

struct Text {
    ids: HashMap<&'static str, TypeId>,
    raw: Vec<(&'static str, Raw)>,
}

fn parse(text: &'static str) -> Table {
    let mut kinds = Vec::new();
    let mut raw: Vec<(&'static str, Raw)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (first, second, third) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        match first {
            "kind" => kinds.push(((second, third), words.next().unwrap_or_default())),
            "type" => raw.push((second, Raw::Fields(Vec::new()))),
            "list" => raw.push((second, Raw::List(third))),
            "special" => raw.push((second, Raw::Special)),
            _ => {
                if let (Ok(number), Some((_, Raw::Fields(fields)))) = (first.parse(), raw.last_mut()) {
                    fields.push(Line::new(number, second, third));
                }
            }
        }
    }
    let ids = (0..).map(TypeId).zip(&raw).map(|(id, (name, _))| (*name, id)).collect();
    let text = Text { ids, raw };
    Table {
        kinds: kinds
            .into_iter()
            .filter_map(|(kind, of)| Some((kind, *text.ids.get(of)?)))
            .collect(),
        types: text.raw.iter().map(|(name, raw)| text.resolve(name, raw)).collect(),
    }
}

impl Line {
    fn new(number: u32, name: &'static str, shape: &'static str) -> Self {
        let (left_out, shape) = match shape.split_at_checked(1) {
            Some(("?", rest)) => (LeftOut::Empty, rest),
            Some(("0", rest)) => (LeftOut::Zero, rest),
            Some((_, rest)) => (LeftOut::Never, rest),
            None => (LeftOut::Never, shape),
        };
        let (held, of) = [("*", Held::Pointer), ("[]", Held::List), ("{}", Held::Map)]
            .into_iter()
            .find_map(|(mark, held)| Some((held, shape.strip_prefix(mark)?)))
            .unwrap_or((Held::Value, shape));
        Self {
            number,
            name,
            left_out,
            held,
            of,
        }
    }
}

impl Text {
    fn of(&self, name: &str) -> Of {
        match name {
            "string" => Of::Text,
            "bool" => Of::Bool,
            "int" => Of::Int,
            "double" => Of::Double,
            "bytes" => Of::Bytes,
            // A name that is not there leads to no type, which the decoder tells.
            name => Of::Message(self.ids.get(name).copied().unwrap_or(TypeId(u32::MAX))),
        }
    }

    fn resolve(&self, name: &'static str, raw: &Raw) -> Type {
        match raw {
            Raw::List(of) => Type::List(self.of(of)),
            Raw::Special => Type::Special(Special::named(name, |name| self.of(name))),
            Raw::Fields(lines) => {
                let mut shown = Vec::new();
                self.collect(lines, &mut shown, INLINED);
                shown.sort_by_key(|(field, _)| field.name);
                let places: HashMap<*const Line, u16> =
                    shown.iter().zip(0..).map(|((_, line), at)| (*line, at)).collect();
                Type::Fields(Fields {
                    numbers: self.numbers(lines, &places, INLINED),
                    shown: shown.into_iter().map(|(field, _)| field).collect(),
                })
            }
        }
    }

    /// The fields of an inlined type.
    fn inlined(&self, line: &Line) -> &[Line] {
        let at = self.ids.get(line.of).map(|id| id.0 as usize);
        match at.and_then(|at| self.raw.get(at)) {
            Some((_, Raw::Fields(lines))) => lines,
            _ => &[],
        }
    }

    fn collect<'t>(&'t self, lines: &'t [Line], shown: &mut Vec<(Field, *const Line)>, depth: usize) {
        for line in lines {
            match line.name {
                "<" if depth > 0 => self.collect(self.inlined(line), shown, depth - 1),
                "<" | "!" => {}
                name => {
                    let field = Field {
                        name,
                        left_out: line.left_out,
                        held: line.held,
                        of: self.of(line.of),
                    };
                    shown.push((field, line));
                }
            }
        }
    }

    fn numbers(&self, lines: &[Line], places: &HashMap<*const Line, u16>, depth: usize) -> Numbers {
        let meaning = |line: &Line| match line.name {
            "<" if depth > 0 => Meaning::Inline(self.numbers(self.inlined(line), places, depth - 1)),
            _ => places
                .get(&std::ptr::from_ref(line))
                .map_or(Meaning::Hidden, |at| Meaning::Shown(*at)),
        };
        Numbers(lines.iter().map(|line| (line.number, meaning(line))).collect())
    }
}

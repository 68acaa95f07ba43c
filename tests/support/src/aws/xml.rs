//! As much of XML as AWS' answers use: elements and text.

/// One element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// The text right in it.
    pub text: String,
    /// The elements right in it.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document. What comes after something that is no XML is left out.
    #[must_use]
    pub fn parse(document: &str) -> Self {
        let mut open = vec![Self::default()];
        let mut rest = document;
        while let Some(start) = rest.find('<') {
            let (text, tag) = rest.split_at(start);
            if let Some(element) = open.last_mut() {
                element.text.push_str(&unescape(text.trim()));
            }
            let Some(end) = tag.find('>') else { break };
            let inside = tag.get(1..end).unwrap_or_default();
            rest = tag.get(end + 1..).unwrap_or_default();
            if inside.starts_with(['?', '!']) {
                continue;
            }
            if inside.starts_with('/') {
                close(&mut open);
                continue;
            }
            let name = inside.split([' ', '\n', '/']).next().unwrap_or_default().to_owned();
            open.push(Self {
                name,
                ..Self::default()
            });
            if inside.ends_with('/') {
                close(&mut open);
            }
        }
        while open.len() > 1 {
            close(&mut open);
        }
        open.pop()
            .and_then(|root| root.children.into_iter().next())
            .unwrap_or_default()
    }

    /// The first element on this path of names below this one.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        match path.split_first() {
            None => Some(self),
            Some((name, rest)) => self
                .children
                .iter()
                .filter(|child| child.name == *name)
                .find_map(|child| child.at(rest)),
        }
    }

    /// The text of that element; empty where there is none.
    #[must_use]
    pub fn text_at(&self, path: &[&str]) -> String {
        self.at(path).map(|found| found.text.clone()).unwrap_or_default()
    }

    /// The items of the list on this path: `item` in EC2, `member` in Auto Scaling.
    #[must_use]
    pub fn items(&self, path: &[&str]) -> Vec<&Self> {
        let list = self.at(path).map(|list| list.children.as_slice());
        list.unwrap_or_default()
            .iter()
            .filter(|child| child.name == "item" || child.name == "member")
            .collect()
    }
}

fn close(open: &mut Vec<Element>) {
    if open.len() < 2 {
        return;
    }
    if let (Some(closed), Some(parent)) = (open.pop(), open.last_mut()) {
        parent.children.push(closed);
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ec2_writes() {
        let answer = "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><set><item><id>i-1</id><empty/></item>\
            <item><id>a &amp; b</id></item></set></R>";
        let root = Element::parse(answer);
        let ids: Vec<String> = root.items(&["set"]).iter().map(|item| item.text_at(&["id"])).collect();
        assert_eq!(
            (root.name.as_str(), ids),
            ("R", vec!["i-1".to_owned(), "a & b".to_owned()])
        );
        assert_eq!(Element::parse("no xml"), Element::default());
    }
}

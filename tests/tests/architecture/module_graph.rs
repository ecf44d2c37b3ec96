//! Which file of a crate takes names from which other file of it.
//!
//! The sources are parsed, not searched: paths in `use`, in expressions and in types count, wherever
//! they stand; what is compiled for tests only does not. A name that a module imported is followed to
//! the file that defines it, so a parent that re-exports its children ties nobody to itself. Paths
//! inside the arguments of a macro are tokens to the parser and are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A module by its path below the crate's root: `["admit", "pool"]`; the root itself is empty.
type ModulePath = Vec<String>;

/// The files of one crate and what each takes from the others.
pub(crate) struct ModuleGraph {
    modules: BTreeMap<ModulePath, Module>,
}

/// One file.
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    /// Lines without those that are compiled for tests only, wherever these stand.
    pub(crate) product_lines: usize,
    /// The longest function outside tests: its name and its lines.
    pub(crate) longest_function: (String, usize),
    children: BTreeSet<String>,
    /// Names that `use` brings into the module, with the path that they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths that the file uses, from the crate's root.
    paths: BTreeSet<Vec<String>>,
}

impl ModuleGraph {
    /// Reads a crate from its `lib.rs`.
    pub(crate) fn of_crate(root: &Path) -> Self {
        let mut graph = Self { modules: BTreeMap::new() };
        let mut waiting = vec![(ModulePath::new(), root.to_path_buf())];
        while let Some((path, file)) = waiting.pop() {
            let (module, children) = read_module(&path, &file);
            for child in children {
                let inside = child_file(&path, &file, &child);
                waiting.push((joined(&path, &child), inside));
            }
            graph.modules.insert(path, module);
        }
        graph
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = (&ModulePath, &Module)> {
        self.modules.iter()
    }

    /// The modules whose items a module uses, itself excluded.
    pub(crate) fn uses(&self, path: &ModulePath) -> BTreeSet<ModulePath> {
        let module = &self.modules[path];
        module.paths.iter().map(|used| self.definer(used)).filter(|used| used != path).collect()
    }

    /// Every circle of files, each named once with all files that it ties together.
    pub(crate) fn circles(&self) -> Vec<Vec<ModulePath>> {
        let reached: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
            self.modules.keys().map(|path| (path, self.reachable_from(path))).collect();
        let mut circles = BTreeSet::new();
        for (path, theirs) in &reached {
            if theirs.contains(*path) {
                let tied = theirs.iter().filter(|other| reached[other].contains(*path));
                circles.insert(tied.cloned().collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }

    fn reachable_from(&self, start: &ModulePath) -> BTreeSet<ModulePath> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<ModulePath> = self.uses(start).into_iter().collect();
        while let Some(path) = waiting.pop() {
            if reached.insert(path.clone()) {
                waiting.extend(self.uses(&path));
            }
        }
        reached
    }

    /// The module that defines what a path from the crate's root names.
    fn definer(&self, path: &[String]) -> ModulePath {
        let mut path = path.to_vec();
        // Each step follows one import; a crate has no longer chain of re-exports.
        for _ in 0..REEXPORTS_MAX {
            let mut module = ModulePath::new();
            let mut rest = path.as_slice();
            while let [first, others @ ..] = rest
                && self.modules[&module].children.contains(first)
            {
                module.push(first.clone());
                rest = others;
            }
            let Some(imported) = rest.first().and_then(|it| self.modules[&module].imports.get(it))
            else {
                return module;
            };
            path = [imported, &rest[1..]].concat();
        }
        panic!("{path:?} is re-exported in a circle");
    }
}

/// How many re-exports are followed from a name to its definition.
const REEXPORTS_MAX: usize = 16;

fn joined(path: &[String], name: &str) -> ModulePath {
    [path, &[name.to_owned()]].concat()
}

fn child_file(path: &[String], file: &Path, child: &str) -> PathBuf {
    let folder = file.parent().expect("a file is in a folder");
    let folder = if path.is_empty() { folder.to_path_buf() } else { file.with_extension("") };
    let flat = folder.join(format!("{child}.rs"));
    if flat.is_file() { flat } else { folder.join(child).join("mod.rs") }
}

/// Reads one file; the second value are the names of its child files.
fn read_module(path: &ModulePath, file: &Path) -> (Module, BTreeSet<String>) {
    let text = std::fs::read_to_string(file).expect("a readable source file");
    let parsed = syn::parse_file(&text).unwrap_or_else(|it| panic!("{}: {it}", file.display()));
    let children: BTreeSet<String> = parsed
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Mod(child) if child.content.is_none() && !is_test(&child.attrs) => {
                Some(child.ident.to_string())
            }
            _ => None,
        })
        .collect();
    let mut reader = Reader {
        module: Module {
            file: file.to_path_buf(),
            product_lines: text.lines().count(),
            longest_function: (String::new(), 0),
            children: children.clone(),
            imports: BTreeMap::new(),
            paths: BTreeSet::new(),
        },
        path: path.clone(),
    };
    reader.visit_file(&parsed);
    (reader.module, children)
}

struct Reader {
    module: Module,
    path: ModulePath,
}

impl Reader {
    /// The path from the crate's root, for a path that starts inside the crate.
    fn rooted(&self, segments: &[String]) -> Option<Vec<String>> {
        let [first, rest @ ..] = segments else { return None };
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([self.path.as_slice(), rest].concat()),
            "super" => {
                let ups = segments.iter().take_while(|it| *it == "super").count();
                let kept = self.path.len().checked_sub(ups)?;
                Some([&self.path[..kept], &segments[ups..]].concat())
            }
            name if self.module.children.contains(name) => {
                Some([self.path.as_slice(), segments].concat())
            }
            _ => None,
        }
    }

    fn read_use(&mut self, tree: &syn::UseTree, before: &[String], is_public: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                self.read_use(&path.tree, &joined(before, &path.ident.to_string()), is_public);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, before, is_public);
                }
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                if name == "self" {
                    let alias = before.last().cloned().unwrap_or_default();
                    self.import(&alias, before, is_public);
                } else {
                    self.import(&name, &joined(before, &name), is_public);
                }
            }
            syn::UseTree::Rename(rename) => {
                let path = joined(before, &rename.ident.to_string());
                self.import(&rename.rename.to_string(), &path, is_public);
            }
            syn::UseTree::Glob(_) => {
                if let Some(path) = self.rooted(before) {
                    self.module.paths.insert(path);
                }
            }
        }
    }

    fn import(&mut self, name: &str, path: &[String], is_public: bool) {
        let Some(path) = self.rooted(path) else { return };
        // What a parent only hands on from below is not used by the parent.
        if !(is_public && path.starts_with(&self.path)) {
            self.module.paths.insert(path.clone());
        }
        if path != joined(&self.path, name) {
            self.module.imports.insert(name.to_owned(), path);
        }
    }

    fn skip(&mut self, item: &impl Spanned) {
        let span = item.span();
        let lines = span.end().line - span.start().line + 1;
        self.module.product_lines = self.module.product_lines.saturating_sub(lines);
    }

    fn measure(&mut self, name: &syn::Ident, item: &impl Spanned) {
        let span = item.span();
        let lines = span.end().line - span.start().line + 1;
        if lines > self.module.longest_function.1 {
            self.module.longest_function = (name.to_string(), lines);
        }
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if is_test(attributes(item)) {
            self.skip(item);
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        if let syn::ImplItem::Fn(function) = item {
            if is_test(&function.attrs) {
                self.skip(item);
                return;
            }
            self.measure(&function.sig.ident, &function.block);
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.measure(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let is_public = !matches!(item.vis, syn::Visibility::Inherited);
        self.read_use(&item.tree, &[], is_public);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|it| it.ident.to_string()).collect();
        if segments.len() > 1
            && let Some(path) = self.rooted(&segments)
        {
            self.module.paths.insert(path);
        }
        visit::visit_path(self, path);
    }

    /// Visibility (`pub(in crate::…)`) uses nothing.
    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}
}

/// Whether `#[cfg(test)]` or a `#[cfg(any(test, …))]` stands above.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|it| it.path().is_ident("cfg")).any(|it| {
        let mut found = false;
        let syn::Meta::List(list) = &it.meta else { return false };
        for token in list.tokens.clone() {
            found |= token.to_string() == "test" || token.to_string().contains("(test,");
        }
        found
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(it) => &it.attrs,
        syn::Item::Enum(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        syn::Item::Macro(it) => &it.attrs,
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Static(it) => &it.attrs,
        syn::Item::Struct(it) => &it.attrs,
        syn::Item::Trait(it) => &it.attrs,
        syn::Item::Type(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// The whole reader on a crate of four files: a circle is found, re-exports and tests are not one.
#[test]
fn a_circle_is_found_and_a_re_export_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a written file");
    };
    write("lib.rs", "pub mod a;\npub mod b;\npub use a::A;\n");
    write("a.rs", "mod inner;\npub use inner::Inner;\npub struct A;\n");
    write("a/inner.rs", "use crate::b::B;\npub struct Inner(B);\n");
    write("b.rs", "pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::a::Inner;\n}\n");
    let graph = ModuleGraph::of_crate(&folder.path().join("lib.rs"));
    assert_eq!(graph.circles(), Vec::<Vec<ModulePath>>::new());
    assert_eq!(graph.modules[&vec!["b".to_owned()]].product_lines, 1);

    // Through the re-export, from a path in a type: the file that defines it counts.
    write("b.rs", "pub struct B(Option<crate::a::Inner>);\n");
    let graph = ModuleGraph::of_crate(&folder.path().join("lib.rs"));
    let circle = vec![vec!["a".to_owned(), "inner".to_owned()], vec!["b".to_owned()]];
    assert_eq!(graph.circles(), vec![circle]);
}

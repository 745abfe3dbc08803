//! Cuts a kernel's BTF down to what netdiag asks of it, for the tests below `netdiag/tests/btf`.
//!
//! The types of a kernel are several megabytes, too much to commit for every kernel in the matrix; netdiag asks for
//! some ten structs, the drop reasons and a few signatures. The cut keeps those as the kernel has them (ids in the
//! same order, struct sizes, member offsets, bit fields) and drops every other member and type: pointers
//! become `void *`, a struct that is only passed through keeps its size. Cutting a cut changes nothing.
//!
//! The file is long because reading, pruning and writing share one private form of a type, which knows every kind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use netdiag_common::field::FIELDS;

/// The tracepoint whose signature is kept.
const KFREE_SKB: &str = "kfree_skb";

/// The functions that netdiag hooks by type. (Repeated here, so that xtask builds without netdiag.)
const FUNCTIONS: [&str; 5] = [
    "ip_rcv_core",
    "ip6_rcv_core",
    "icmp_rcv",
    "icmpv6_rcv",
    "inet_csk_accept",
];

/// Enums that are kept whole: the drop reasons, the numbers of their subsystems, and the subsystems' reasons.
const ENUMS: &[&str] = &[
    "skb_drop_reason",
    "skb_drop_reason_subsys",
    "ovs_drop_reason",
    "mac80211_drop_reason",
    "qdisc_drop_reason",
];

/// Cuts the BTF of a kernel, raw or compressed by xz (`.xz`), to what netdiag needs.
///
/// # Errors
/// Where a file cannot be read or written, or the input is not little-endian BTF of version 1.
pub fn run(input: &Path, output: &Path) -> anyhow::Result<()> {
    let cut = cut(&read(input)?).with_context(|| input.display().to_string())?;
    fs::write(output, cut).with_context(|| format!("cannot write {}", output.display()))
}

/// Reads a file, unpacking it where its name ends in `.xz`.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "xtask may run programs; xz is on every developer's machine"
    )]
    let unpacked = Command::new("xz")
        .arg("-dc")
        .arg("--")
        .arg(path)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run xz")?;
    ensure!(
        unpacked.status.success(),
        "xz -dc {}: {}",
        path.display(),
        unpacked.status
    );
    Ok(unpacked.stdout)
}

/// The cut of a raw BTF file.
fn cut(whole: &[u8]) -> anyhow::Result<Vec<u8>> {
    let whole = Whole::parse(whole)?;
    let keep = whole.keep();
    // Types in the order in which they are met, without what falls off them.
    let mut kept: BTreeMap<u32, Type> = BTreeMap::new();
    let mut open: Vec<u32> = keep.roots.iter().copied().collect();
    while let Some(id) = open.pop() {
        // 0 is void, which no file holds.
        if id == 0 || kept.contains_key(&id) {
            continue;
        }
        let found = whole
            .find(id)
            .with_context(|| format!("type {id} does not exist"))?;
        let mut pruned = keep.prune(id, found);
        pruned.references(|reference| open.push(*reference));
        kept.insert(id, pruned);
    }

    let ids: HashMap<u32, u32> = kept.keys().copied().zip(1..).collect();
    let mut strings = Strings::default();
    let mut types = Vec::new();
    for mut found in kept.into_values() {
        found.references(|reference| {
            // Void is not in the map, and stays 0.
            *reference = ids.get(reference).copied().unwrap_or_default();
        });
        let mut missing = None;
        found.names(|name| match whole.string(*name) {
            Some(text) => *name = strings.offset(text),
            None => missing = Some(*name),
        });
        if let Some(missing) = missing {
            bail!("there is no string at {missing}");
        }
        found.write(&mut types)?;
    }
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).context("a section is too long");
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend([VERSION, 0]);
    for word in [
        HEADER_LENGTH,
        0,
        length(&types)?,
        length(&types)?,
        length(&strings.bytes)?,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.append(&mut types);
    bytes.append(&mut strings.bytes);
    Ok(bytes)
}

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
const HEADER_LENGTH: u32 = 24;

/// `BTF_KIND_*` of `include/uapi/linux/btf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int = 1,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
}

impl Kind {
    fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Int,
            2 => Self::Ptr,
            3 => Self::Array,
            4 => Self::Struct,
            5 => Self::Union,
            6 => Self::Enum,
            7 => Self::Fwd,
            8 => Self::Typedef,
            9 => Self::Volatile,
            10 => Self::Const,
            11 => Self::Restrict,
            12 => Self::Func,
            13 => Self::FuncProto,
            14 => Self::Var,
            15 => Self::Datasec,
            16 => Self::Float,
            17 => Self::DeclTag,
            18 => Self::TypeTag,
            19 => Self::Enum64,
            _ => return None,
        })
    }

    /// Whether `vlen` counts rows behind the type. Elsewhere it is 0, or the linkage of a function.
    fn has_rows(self) -> bool {
        matches!(
            self,
            Self::Struct
                | Self::Union
                | Self::Enum
                | Self::FuncProto
                | Self::Datasec
                | Self::Enum64
        )
    }

    /// How many words a row has, or what follows the type where it has no rows.
    fn row_words(self) -> usize {
        match self {
            Self::Int | Self::Var | Self::DeclTag => 1,
            Self::Enum | Self::FuncProto => 2,
            Self::Array | Self::Struct | Self::Union | Self::Datasec | Self::Enum64 => 3,
            _ => 0,
        }
    }

    /// Whether the last word of the type is another type, and not a size.
    fn refers(self) -> bool {
        self.passes_on()
            || matches!(
                self,
                Self::Ptr | Self::Func | Self::FuncProto | Self::Var | Self::DeclTag
            )
    }

    /// Whether it is another type by another name, or with a qualifier.
    fn passes_on(self) -> bool {
        matches!(
            self,
            Self::Typedef | Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag
        )
    }

    fn has_members(self) -> bool {
        matches!(self, Self::Struct | Self::Union)
    }
}

/// A type as the file has it: names are offsets of strings, other types are ids.
#[derive(Clone, Debug)]
struct Type {
    name: u32,
    kind: Kind,
    /// `kind_flag`: members have bit field sizes, enumerators are signed, a declaration is of a union.
    flag: u32,
    vlen: u32,
    size_or_type: u32,
    rows: Vec<Vec<u32>>,
}

impl Type {
    const FLAG: u32 = 1 << 31;

    /// Hands over every id of another type.
    fn references(&mut self, mut each: impl FnMut(&mut u32)) {
        if self.kind.refers() {
            each(&mut self.size_or_type);
        }
        let words = match self.kind {
            Kind::Array => 0..2,
            Kind::Struct | Kind::Union | Kind::FuncProto => 1..2,
            Kind::Datasec => 0..1,
            _ => return,
        };
        for row in &mut self.rows {
            row.get_mut(words.clone())
                .into_iter()
                .flatten()
                .for_each(&mut each);
        }
    }

    /// Hands over every offset of a string.
    fn names(&mut self, mut each: impl FnMut(&mut u32)) {
        each(&mut self.name);
        if self.kind.has_rows() && self.kind != Kind::Datasec {
            for row in &mut self.rows {
                row.first_mut().into_iter().for_each(&mut each);
            }
        }
    }

    fn write(&self, to: &mut Vec<u8>) -> anyhow::Result<()> {
        let vlen = if self.kind.has_rows() {
            u32::from(u16::try_from(self.rows.len())?)
        } else {
            self.vlen
        };
        let info = self.flag | (self.kind as u32) << 24 | vlen;
        for word in [self.name, info, self.size_or_type] {
            to.extend(word.to_le_bytes());
        }
        for word in self.rows.iter().flatten() {
            to.extend(word.to_le_bytes());
        }
        Ok(())
    }
}

/// A member of a struct or union, by id and row.
type Place = (u32, usize);

/// Takes little-endian numbers off a slice.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn take<const N: usize>(&mut self) -> anyhow::Result<[u8; N]> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .context("the file ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn word(&mut self) -> anyhow::Result<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn words(&mut self, count: usize) -> anyhow::Result<Vec<u32>> {
        (0..count).map(|_| self.word()).collect()
    }
}

/// A whole file.
struct Whole<'a> {
    types: Vec<Type>,
    strings: &'a [u8],
}

impl<'a> Whole<'a> {
    fn parse(bytes: &'a [u8]) -> anyhow::Result<Self> {
        let mut header = Words(bytes);
        let magic = u16::from_le_bytes(header.take()?);
        ensure!(magic == MAGIC, "not little-endian BTF");
        let [version, flags] = header.take()?;
        ensure!(
            (version, flags) == (VERSION, 0),
            "BTF of version {version} with flags {flags}"
        );
        let length = header.word()?;
        let mut section = || -> anyhow::Result<&'a [u8]> {
            let start = length
                .checked_add(header.word()?)
                .context("a section starts nowhere")?;
            let end = start
                .checked_add(header.word()?)
                .context("a section ends nowhere")?;
            bytes
                .get(usize::try_from(start)?..usize::try_from(end)?)
                .context("the file ends before a section")
        };
        let mut rest = Words(section()?);
        let strings = section()?;
        let mut types = Vec::new();
        while !rest.0.is_empty() {
            types.push(Self::parse_type(&mut rest)?);
        }
        Ok(Self { types, strings })
    }

    fn parse_type(rest: &mut Words<'_>) -> anyhow::Result<Type> {
        let (name, info, size_or_type) = (rest.word()?, rest.word()?, rest.word()?);
        let number = info >> 24 & 0x1f;
        let kind = Kind::from_number(number)
            .with_context(|| format!("there is no kind of type {number}"))?;
        let vlen = info & 0xffff;
        let rows = match (kind.has_rows(), kind.row_words()) {
            (true, _) => usize::try_from(vlen)?,
            (false, 0) => 0,
            (false, _) => 1,
        };
        let rows = (0..rows)
            .map(|_| rest.words(kind.row_words()))
            .collect::<anyhow::Result<_>>()?;
        Ok(Type {
            name,
            kind,
            flag: info & Type::FLAG,
            vlen,
            size_or_type,
            rows,
        })
    }

    fn find(&self, id: u32) -> Option<&Type> {
        self.types.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    fn string(&self, offset: u32) -> Option<&'a [u8]> {
        let rest = self.strings.get(usize::try_from(offset).ok()?..)?;
        rest.split(|byte| *byte == 0).next()
    }

    fn is_named(&self, found: &Type, name: &str) -> bool {
        self.string(found.name) == Some(name.as_bytes())
    }

    /// All types with their ids.
    fn all(&self) -> impl Iterator<Item = (u32, &Type)> {
        (1..).zip(&self.types)
    }

    /// A type without typedefs and qualifiers.
    fn bare(&self, mut id: u32) -> Option<(u32, &Type)> {
        // No chain is longer than all types, unless it is a loop.
        for _ in 0..self.types.len() {
            let found = self.find(id)?;
            if !found.kind.passes_on() {
                return Some((id, found));
            }
            id = found.size_or_type;
        }
        None
    }

    /// The members on the way to a named one, through anonymous structs and unions, and the type of the last.
    fn member(&self, parent: u32, name: &str, depth: u32) -> Option<(Vec<Place>, u32)> {
        /// As netdiag's own reader.
        const DEEPEST: u32 = 16;
        let (parent, found) = self.bare(parent)?;
        if !found.kind.has_members() || depth > DEEPEST {
            return None;
        }
        found.rows.iter().enumerate().find_map(|(index, row)| {
            let &[member_name, member_type, _] = row.as_slice() else {
                return None;
            };
            let text = self.string(member_name)?;
            if text == name.as_bytes() {
                return Some((vec![(parent, index)], member_type));
            }
            if !text.is_empty() {
                return None;
            }
            let (mut places, last) = self.member(member_type, name, depth + 1)?;
            places.push((parent, index));
            Some((places, last))
        })
    }

    /// All members on a path such as `nd_net.net`; `None` where this kernel has it not.
    fn path(&self, structure: u32, path: &str) -> Option<Vec<Place>> {
        let mut current = structure;
        let mut places = Vec::new();
        for name in path.split('.') {
            let (found, last) = self.member(current, name, 0)?;
            places.extend(found);
            current = last;
        }
        Some(places)
    }

    /// What netdiag asks for.
    fn keep(&self) -> Keep {
        let mut keep = Keep::default();
        let functions: Vec<_> = FUNCTIONS.into_iter().collect();
        let tracepoint = format!("btf_trace_{KFREE_SKB}");
        for (id, found) in self.all() {
            let wanted = match found.kind {
                Kind::Struct | Kind::Union => {
                    let fields: Vec<_> = FIELDS
                        .iter()
                        .filter(|field| self.is_named(found, field.structure))
                        .collect();
                    let places = fields.iter().filter_map(|field| self.path(id, field.path));
                    keep.members.extend(places.flatten());
                    !fields.is_empty()
                }
                Kind::Enum | Kind::Enum64 => {
                    let wanted = ENUMS.iter().any(|name| self.is_named(found, name));
                    if wanted {
                        keep.enums.insert(id);
                    }
                    wanted
                }
                Kind::Func => functions.iter().any(|name| self.is_named(found, name)),
                Kind::Typedef if self.is_named(found, &tracepoint) => {
                    keep.pointers.insert(found.size_or_type);
                    true
                }
                _ => false,
            };
            if wanted {
                keep.roots.insert(id);
            }
        }
        keep
    }
}

/// What stays in the file.
#[derive(Default)]
struct Keep {
    /// What netdiag asks for by name.
    roots: BTreeSet<u32>,
    /// Members on the paths of the field table.
    members: BTreeSet<Place>,
    /// Enums that keep their names and values.
    enums: BTreeSet<u32>,
    /// Pointers that do not become `void *`.
    pointers: BTreeSet<u32>,
}

impl Keep {
    /// A type without what netdiag does not ask for.
    fn prune(&self, id: u32, whole: &Type) -> Type {
        let mut pruned = whole.clone();
        match pruned.kind {
            Kind::Ptr if !self.pointers.contains(&id) => pruned.size_or_type = 0,
            Kind::Struct | Kind::Union => {
                let rows = pruned.rows.into_iter().enumerate();
                pruned.rows = rows
                    .filter(|(index, _)| self.members.contains(&(id, *index)))
                    .map(|(_, row)| row)
                    .collect();
            }
            Kind::Enum | Kind::Enum64 if !self.enums.contains(&id) => pruned.rows.clear(),
            _ => {}
        }
        pruned
    }
}

/// A string section under construction; the empty string comes first.
struct Strings {
    bytes: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
}

impl Default for Strings {
    fn default() -> Self {
        Self {
            bytes: vec![0],
            known: HashMap::from([(Vec::new(), 0)]),
        }
    }
}

impl Strings {
    fn offset(&mut self, text: &[u8]) -> u32 {
        if let Some(offset) = self.known.get(text) {
            return *offset;
        }
        // A file has 32-bit offsets; `cut` refuses a longer section.
        let offset = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend(text);
        self.bytes.push(0);
        self.known.insert(text.to_owned(), offset);
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::cut;
    use std::fs;
    use std::path::Path;

    fn committed() -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../netdiag/tests/btf");
        let files = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "btf"))
            .map(|path| fs::read(path).unwrap())
            .collect::<Vec<_>>();
        assert!(files.len() >= 5, "{} files", files.len());
        files
    }

    #[test]
    fn a_cut_is_its_own_cut() {
        for file in committed() {
            assert!(cut(&file).unwrap() == file);
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_cut() {
        for file in committed() {
            for length in (0..file.len()).step_by(97) {
                cut(&file[..length]).unwrap_err();
            }
            for position in (0..file.len()).step_by(13) {
                let mut damaged = file.clone();
                damaged[position] ^= 0xff;
                // Either is right; a panic is not.
                let _result = cut(&damaged);
            }
        }
    }
}

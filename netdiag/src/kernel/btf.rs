//! The kernel's own description of its types: struct offsets, enum values, function signatures.
//!
//! `btf-rs` reads the format. Its memory-mapped mode answers a handful of questions twenty times faster than parsing
//! the whole, so the BTF is first copied into an anonymous file: the kernel lets its own be mapped only since 6.16.

use btf_rs::{Backend, Btf, BtfType, Type};
use netdiag_common::field::{ABSENT, FIELDS, Need};
use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Where the running kernel shows its BTF (since 5.4, with `CONFIG_DEBUG_INFO_BTF`).
pub const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// Bytes of a file beyond which it is not read on: a kernel with every driver built in stays well below.
const LARGEST: u64 = 128 << 20;

/// Bytes within which every name ends. The kernel's names stay below 512 (`KSYM_NAME_LEN`).
const LONGEST_NAME: usize = 1024;

/// What can go wrong with BTF.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error(
        "cannot read the kernel's type information (BTF) from {}: {source}{}",
        path.display(), hint(path, source)
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not BTF.
    #[error(
        "{} is not usable BTF: {detail}; --btf takes the raw BTF of the running kernel, such as a \
         copy of its {RUNNING}, the .BTF section of its vmlinux (objcopy --dump-section), or a file of BTFHub", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        detail: String,
    },
    /// The user's file is of another kernel than the one that runs.
    #[error(
        "{} is not of the running kernel {kernel}: it says that {field} is at {there}, and {RUNNING} says {here}; \
         leave --btf out", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// `uname -r`.
        kernel: String,
        /// The first field that differs, by its symbol.
        field: &'static str,
        /// The file's offset.
        there: u32,
        /// The running kernel's.
        here: u32,
    },
    /// The kernel lacks fields that the programs cannot do without.
    #[error(
        "kernel {kernel}: the BTF in {} lacks {fields}: netdiag does not know this kernel; please report it, \
         with the kernel's version", path.display()
    )]
    MissingField {
        /// `uname -r`.
        kernel: String,
        /// Where the BTF came from.
        path: PathBuf,
        /// `struct.path`, separated by commas.
        fields: String,
    },
}

fn hint(path: &Path, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound if path == Path::new(RUNNING) => {
            "; the kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted: --btf FILE takes it from a \
             file"
        }
        io::ErrorKind::PermissionDenied => "; run it as root",
        _ => "; give --btf a raw BTF file of the running kernel",
    }
}

/// The BTF of one kernel.
pub struct KernelBtf {
    btf: Btf,
    /// What the types of a name are: each question is a walk through all types, and a struct has many fields.
    ids: Mutex<HashMap<String, Vec<u32>>>,
    path: PathBuf,
}

impl KernelBtf {
    /// The running kernel's.
    ///
    /// # Errors
    /// [`BtfError::Read`] where the kernel shows none, [`BtfError::Format`] where it cannot be understood.
    pub fn running() -> Result<Self, BtfError> {
        Self::from_file(Path::new(RUNNING))
    }

    /// From a raw BTF file.
    ///
    /// # Errors
    /// As [`Self::running`].
    pub fn from_file(path: &Path) -> Result<Self, BtfError> {
        let read = |source| BtfError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        // A device such as /dev/zero has no end.
        let mut file = File::open(path).map_err(read)?.take(LARGEST + 1);
        file.read_to_end(&mut bytes).map_err(read)?;
        Self::from_bytes(&bytes, path)
    }

    /// From raw BTF that was read already; `path` says in errors where it came from.
    ///
    /// # Errors
    /// As [`Self::running`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, BtfError> {
        let read = |source| BtfError::Read {
            path: path.to_owned(),
            source,
        };
        let format = |detail| BtfError::Format {
            path: path.to_owned(),
            detail,
        };
        check_limits(bytes).map_err(|detail| format(detail.to_owned()))?;
        let fd = memfd_create("btf", MemfdFlags::CLOEXEC).map_err(|e| read(e.into()))?;
        let mut copy = File::from(fd);
        copy.write_all(bytes).map_err(read)?;
        let mapped = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let btf = Btf::from_file_with_backend(mapped, Backend::Mmap)
            .map_err(|e| format(e.to_string()))?;
        Ok(Self {
            btf,
            ids: Mutex::default(),
            path: path.to_owned(),
        })
    }

    /// Checks a user's file against what the running kernel says of itself, where it does: offsets of another kernel
    /// would make nonsense of every packet.
    ///
    /// # Errors
    /// [`BtfError::Foreign`] names the first field that differs.
    pub fn check_against(&self, running: &Self) -> Result<(), BtfError> {
        let differs = self
            .fields()?
            .into_iter()
            .zip(running.fields()?)
            .find(|((_, there), (_, here))| there != here);
        match differs {
            None => Ok(()),
            Some(((field, there), (_, here))) => Err(BtfError::Foreign {
                path: self.path.clone(),
                kernel: super::release(),
                field,
                there,
                here,
            }),
        }
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The types of this name.
    fn named(&self, name: &str) -> Vec<Type> {
        let mut known = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = match known.get(name) {
            Some(ids) => ids,
            None => known
                .entry(name.to_owned())
                .or_insert(self.btf.resolve_ids_by_name(name).unwrap_or_default()),
        };
        let types = ids.iter().map(|id| self.btf.resolve_type_by_id(*id));
        types.filter_map(Result::ok).collect()
    }

    /// The byte offset of a member, through anonymous structs and unions; `None` where this kernel has it not, or
    /// where it is a bit field that does not start a byte.
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut current = self.named(structure).into_iter().find(|found| {
            matches!(found, Type::Struct(found) | Type::Union(found) if !found.members.is_empty())
        })?;
        let mut bits = 0_u32;
        for name in path.split('.') {
            let (offset, member) = self.member(&current, name, 0, &mut HashSet::new())?;
            bits = offset.checked_add(bits)?;
            current = member;
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Finds a member by name: its bit offset within `parent`, and its type without typedefs and qualifiers.
    ///
    /// `searched` has the types that were looked through in vain. Without it, structs that hold themselves twice over
    /// as anonymous members would take forever.
    fn member(
        &self,
        parent: &Type,
        name: &str,
        depth: u32,
        searched: &mut HashSet<u32>,
    ) -> Option<(u32, Type)> {
        /// Anonymous members nest two or three deep; a file that nests deeper is no kernel's.
        const DEEPEST: u32 = 16;
        let (Type::Struct(parent) | Type::Union(parent)) = parent else {
            return None;
        };
        if depth > DEEPEST {
            return None;
        }
        for member in &parent.members {
            let found = self.btf.resolve_name(member).ok()?;
            if found == name {
                let resolved = self.bare(member, &mut HashSet::new())?;
                return Some((member.bit_offset(), resolved));
            }
            if found.is_empty()
                && let Some(anonymous) = self.bare(member, searched)
                && let Some((offset, inner)) = self.member(&anonymous, name, depth + 1, searched)
            {
                return Some((member.bit_offset().checked_add(offset)?, inner));
            }
        }
        None
    }

    /// What `user` refers to, without typedefs and qualifiers; `None` where the way there meets a type in `met`, to
    /// which it adds all that it meets.
    fn bare(&self, user: &dyn BtfType, met: &mut HashSet<u32>) -> Option<Type> {
        let mut id = user.get_type_id()?;
        while met.insert(id) {
            let current = self.btf.resolve_type_by_id(id).ok()?;
            id = match &current {
                Type::Typedef(t) => t.get_type_id()?,
                Type::Const(t) | Type::Volatile(t) | Type::Restrict(t) => t.get_type_id()?,
                Type::TypeTag(t) => t.get_type_id()?,
                _ => return Some(current),
            };
        }
        None
    }

    /// Every field of the table, with its offset or [`ABSENT`].
    ///
    /// # Errors
    /// [`BtfError::MissingField`] names the required ones that this kernel has not.
    pub fn fields(&self) -> Result<Vec<(&'static str, u32)>, BtfError> {
        let found: Vec<_> = FIELDS
            .iter()
            .map(|field| (field, self.offset(field.structure, field.path)))
            .collect();
        let missing: Vec<_> = found
            .iter()
            .filter(|(field, offset)| field.need == Need::Required && offset.is_none())
            .map(|(field, _)| format!("{}.{}", field.structure, field.path))
            .collect();
        if !missing.is_empty() {
            return Err(BtfError::MissingField {
                kernel: super::release(),
                path: self.path.clone(),
                fields: missing.join(", "),
            });
        }
        Ok(found
            .into_iter()
            .map(|(field, offset)| (field.symbol, offset.unwrap_or(ABSENT)))
            .collect())
    }

    /// How many arguments a tracepoint hands to a `tp_btf` or raw tracepoint program; `None` where there is no such
    /// tracepoint.
    pub fn tracepoint_arguments(&self, tracepoint: &str) -> Option<usize> {
        let name = format!("btf_trace_{tracepoint}");
        let pointer = self
            .named(&name)
            .into_iter()
            .find_map(|found| match found {
                Type::Typedef(found) => self.btf.resolve_chained_type(&found).ok(),
                _ => None,
            })?;
        let Type::Ptr(pointer) = pointer else {
            return None;
        };
        let Type::FuncProto(proto) = self.btf.resolve_chained_type(&pointer).ok()? else {
            return None;
        };
        // The first one, `void *__data`, is not part of the context.
        proto.parameters.len().checked_sub(1)
    }

    /// Whether a function of this name can be hooked by type.
    pub fn has_function(&self, name: &str) -> bool {
        let found = self.named(name);
        found.iter().any(|found| matches!(found, Type::Func(_)))
    }

    /// How many parameters a function has; `None` where BTF has no such function.
    pub fn parameters(&self, name: &str) -> Option<usize> {
        self.named(name).into_iter().find_map(|found| match found {
            Type::Func(found) => match self.btf.resolve_chained_type(&found).ok()? {
                Type::FuncProto(proto) => Some(proto.parameters.len()),
                _ => None,
            },
            _ => None,
        })
    }

    /// Names and values of an enum; empty where there is none of this name.
    pub fn enumerators(&self, name: &str) -> Vec<(String, u32)> {
        enumerators(&self.btf, name)
    }

    /// Names and values of an enum of a module. Empty where the module, its BTF or the enum is not there.
    pub fn module_enumerators(&self, module: &str, name: &str) -> Vec<(String, u32)> {
        // Module BTF continues the running kernel's; a file given by the user has none.
        if self.path != Path::new(RUNNING) {
            return Vec::new();
        }
        let path = Path::new(RUNNING).with_file_name(module);
        match Btf::from_split_file(path, &self.btf) {
            Ok(btf) => enumerators(&btf, name),
            Err(_) => Vec::new(),
        }
    }
}

/// Refuses what no kernel's BTF is, before `btf-rs` sees it: it keeps to the bounds of the file, but copies a name for
/// every member that it is asked about, and a name that goes on for megabytes would take as long for each.
fn check_limits(bytes: &[u8]) -> Result<(), &'static str> {
    if bytes.len() as u64 > LARGEST {
        return Err("it is larger than any kernel's");
    }
    // Not only in the string section: names start and end where the file says.
    let endless = |stretch: &[u8]| !stretch.contains(&0);
    if bytes.chunks_exact(LONGEST_NAME).any(endless) {
        return Err("it has a name longer than any kernel's");
    }
    Ok(())
}

fn enumerators(btf: &Btf, name: &str) -> Vec<(String, u32)> {
    let named = |member: &dyn BtfType, value: u32| Some((btf.resolve_name(member).ok()?, value));
    let found = btf.resolve_types_by_name(name).unwrap_or_default();
    found
        .iter()
        .flat_map(|found| match found {
            Type::Enum(found) => found
                .members
                .iter()
                .filter_map(|member| named(member, member.val()))
                .collect(),
            // Reasons are 32 bits wide; what is wider is no reason.
            Type::Enum64(found) => found
                .members
                .iter()
                .filter_map(|member| named(member, u32::try_from(member.val()).ok()?))
                .collect(),
            _ => Vec::new(),
        })
        .collect()
}

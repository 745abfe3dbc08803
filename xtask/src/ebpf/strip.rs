//! Leaves debugging information out of the object: it is four fifths of it, and only the linker needed it, for BTF.
//!
//! Done here and not by an objcopy, so that every toolchain ends with the same bytes.

use anyhow::{Context as _, Result};
use object::build::elf::{Builder, SectionData};
use object::elf;

/// The object without its `.debug*` sections and their relocations.
pub(super) fn strip(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("the object is no ELF file")?;
    for section in &mut builder.sections {
        let name = section.name.to_string();
        if name.starts_with(".debug") || name.starts_with(".rel.debug") {
            section.delete = true;
        }
    }
    builder.delete_orphans();
    // LLVM keeps the names of sections among those of symbols; the writer wants them apart.
    let names = builder.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.sh_type = elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("write the stripped object")?;
    Ok(stripped)
}

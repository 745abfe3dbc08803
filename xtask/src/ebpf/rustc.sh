#!/bin/sh
# RUSTC_WRAPPER of the eBPF build: cargo hashes the absolute path of crates outside a workspace into
# their -C metadata, and so into symbols. Name and version instead: the same object everywhere.
rustc=$1
shift
case " $* " in
*" --target bpfel-unknown-none "*) ;;
*) exec "$rustc" "$@" ;;
esac
left=$#
while [ "$left" -gt 0 ]; do
    argument=$1
    shift
    case $argument in
    metadata=*) argument="metadata=$CARGO_PKG_NAME-$CARGO_PKG_VERSION" ;;
    esac
    set -- "$@" "$argument"
    left=$((left - 1))
done
exec "$rustc" "$@"

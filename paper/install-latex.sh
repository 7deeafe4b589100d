#!/bin/sh
# Installs what the paper needs on Debian or Ubuntu, as root or with a sudo that asks for no password.
# Does nothing where latexmk is already there. Elsewhere it says what to run, and fails.
set -eu

packages='latexmk texlive-latex-recommended texlive-latex-extra lmodern texlive-fonts-recommended'

if command -v latexmk >/dev/null 2>&1 && command -v pdflatex >/dev/null 2>&1; then exit 0; fi
if command -v tectonic >/dev/null 2>&1; then exit 0; fi

as_root=
if [ "$(id -u)" != 0 ]; then
  as_root='sudo -n'
  sudo -n true 2>/dev/null || as_root=no
fi
if [ "$as_root" = no ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "error: the paper needs LaTeX; install it with one of" >&2
  echo "  sudo apt-get install -y --no-install-recommends $packages" >&2
  echo "  brew install tectonic" >&2
  echo "  conda install -c conda-forge tectonic" >&2
  exit 2
fi

echo "installing LaTeX (a few hundred MB, once): $packages"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # the packages are words
$as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null 2>&1 || {
  $as_root apt-get update -qq >/dev/null
  $as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

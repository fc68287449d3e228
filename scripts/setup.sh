# SPDX-License-Identifier: Apache-2.0
# Sourced by ./run and ./check: packages and build folders. Everything said here goes to standard
# error; standard output is the program's. Expects $here, the source folder.

packages_build="build-essential meson ninja-build pkg-config libgtk-4-dev libadwaita-1-dev libvulkan-dev glslc spirv-tools libnifti2-dev libhdf5-dev libsqlite3-dev libdnnl-dev libjson-glib-dev libdeflate-dev libjpeg-dev libpng-dev zlib1g-dev gettext"
packages_run="mesa-vulkan-drivers libgl1-mesa-dri librsvg2-common adwaita-icon-theme fonts-dejavu dconf-gsettings-backend at-spi2-core"
packages_check="xvfb xauth xdotool openbox dbus-x11 x11-utils python3-pyatspi imagemagick vulkan-validationlayers appstream desktop-file-utils python3-h5py python3-nibabel python3-numpy sqlite3"
packages_full="clang valgrind"

say () {
  echo "$*" >&2
}

# The packages of the lists named that are not installed.
setup_missing () {
  local kind list all="" installed
  for kind in "$@"; do
    list="packages_$kind"
    all="$all ${!list}"
  done
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $all 2>/dev/null | sed -n 's/^ii //p')
  for kind in $all; do
    case "
$installed
" in *"
$kind
"*) ;; *) echo "$kind" ;; esac
  done
}

# How this user becomes root: nothing, "sudo", "sudo -n", or failure.
setup_sudo () {
  if [ "$(id -u)" = 0 ]; then
    return 0
  elif ! command -v sudo >/dev/null; then
    return 1
  elif sudo -n true 2>/dev/null; then
    echo "sudo -n"
  elif [ -t 0 ] && [ -t 2 ]; then
    echo "sudo" # a person can be asked for the password
  else
    return 1
  fi
}

# apt-get update, waiting for another apt that holds the lists.
setup_update () {
  local sudo=$1 log tries=0
  while ! log=$($sudo env LC_ALL=C apt-get -q update 2>&1); do
    case "$log" in
      *"Could not get lock"* | *"Unable to lock"*)
        tries=$((tries + 1))
        [ $tries -lt 120 ] || break
        [ $tries -gt 1 ] || say "Another program is using apt; waiting for it."
        sleep 5
        ;;
      *) break ;;
    esac
  done
  [ $tries -eq 0 ] || [ $tries -lt 120 ] || say "apt is still busy; trying all the same."
  case "$log" in
    *E:* | *Err:*) say "apt-get update failed; going on with the package lists at hand." ;;
  esac
}

setup_packages () {
  local missing sudo
  if ! command -v dpkg-query >/dev/null; then
    say "This is not a Debian system; needed are the equivalents of scripts/setup.sh's packages."
    return 0
  fi
  missing=$(setup_missing "$@" | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  if ! sudo=$(setup_sudo); then
    say "Some packages are missing, and this user cannot install them. Run this, then start again:"
    say "  sudo apt-get install -y --no-install-recommends $missing"
    exit 1
  fi
  say "Installing: $missing"
  setup_update "$sudo"
  if ! $sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q \
      -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef \
      -o Dpkg::Options::=--force-confold \
      install -y --no-install-recommends $missing </dev/null >&2; then
    say "The packages could not be installed. By hand:"
    say "  sudo apt-get install -y --no-install-recommends $missing"
    exit 1
  fi
}

# Where to build: the name given, in the source folder; where that may not be written (another
# user's clone), in this user's cache.
setup_folder () {
  local build="$here/$1" mark
  if [ -d "$build" ]; then
    if [ -w "$build" ] && [ -O "$build" ]; then echo "$build"; return; fi
  elif [ -w "$here" ]; then
    echo "$build"
    return
  fi
  mark=$(printf %s "$here" | cksum | tr -c '0-9\n' '-')
  echo "${XDG_CACHE_HOME:-$HOME/.cache}/crosslabel/$mark$1"
}

# setup_build FOLDER [MESON OPTION …]: configured once, built when something changed; only
# $setup_target of it where that is set.
setup_build () {
  local build=$1 log
  shift
  # A folder that was begun and not finished, or moved here from elsewhere, is made again.
  if [ -f "$build/.crosslabel-source" ]; then
    if [ ! -f "$build/build.ninja" ] || [ "$(cat "$build/.crosslabel-source")" != "$here" ]; then
      rm -rf "$build"
    fi
  fi
  mkdir -p "$build"
  # One at a time: ./run and ./check may be started together.
  exec 8>"$build/.crosslabel-lock"
  flock 8
  log="$build/setup.log"
  if [ ! -f "$build/build.ninja" ]; then
    printf %s "$here" >"$build/.crosslabel-source"
    say "Configuring in $build"
    if ! meson setup "$build" "$here" "$@" >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      return 1
    fi
  fi
  # Nothing to do is said by nobody; work is.
  if ! ninja -C "$build" -n ${setup_target:-} 2>/dev/null | grep -q 'no work to do'; then
    say "Building in $build"
    if ! ninja -C "$build" ${setup_target:-} >"$log" 2>&1; then
      grep -v '^\[' "$log" | tail -n 60 >&2
      return 1
    fi
  fi
  exec 8>&-
}

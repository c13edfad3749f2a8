# Sourced by the other scripts, from the repository's root: a Node.js new enough, and the packages of the lock file.

if ! command -v node > /dev/null; then
  echo "Node.js is missing: install version 20.19 or later (https://nodejs.org)" >&2
  exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  echo "Node.js $(node --version) is too old: install version 20.19 or later (https://nodejs.org)" >&2
  exit 1
fi
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing the packages of package-lock.json (npm ci)" >&2
  npm ci --no-audit --no-fund >&2
fi

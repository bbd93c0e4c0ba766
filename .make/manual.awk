# The manual page of a command, from its help, which has to be unwrapped (COLUMNS=10000):
#
#   awk -v command="switchback data check" -v version=0.1.0 -v day=2026-11-29 -f manual.awk
#
# Help is where the words are, also values and defaults; its indented lines, the examples, stay as they are.

# Spares what troff would take for its own, or make typography of.
function plain(text) {
  gsub(/\\/, "\\e", text)
  gsub(/-/, "\\-", text)
  gsub(/'/, "\\(aq", text)
  gsub(/`/, "\\(ga", text)
  gsub(/\^/, "\\(ha", text)
  gsub(/~/, "\\(ti", text)
  return text ~ /^\./ ? "\\&" text : text
}

# The page of a command: man finds `switchback-train` for `man switchback train` too.
function page(words) {
  gsub(/ /, "-", words)
  return plain(words)
}

function verbatim(wanted) {
  if (wanted && !isVerbatim) print ".RS 2\n.nf"
  if (!wanted && isVerbatim) print ".fi\n.RE"
  isVerbatim = wanted
}

function description(  i, isApart) {
  print ".SH DESCRIPTION\n" plain(abstract)
  isApart = 0
  for (i = 1; i <= lines; i++) {
    if (line[i] == "") { isApart = 1; continue }
    verbatim(line[i] ~ /^  /)
    if (isApart) print isVerbatim ? "" : ".PP"
    print plain(isVerbatim ? substr(line[i], 3) : line[i])
    isApart = 0
  }
  verbatim(0)
}

function head(usage,  summary) {
  summary = abstract
  sub(/\.$/, "", summary)
  printf ".TH %s 1 %s \"switchback %s\"\n", toupper(page(command)), day, version
  print ".SH NAME\n" page(command) " \\- " plain(summary)
  # An option stays in one piece where the line ends.
  usage = plain(substr(usage, length(command) + 2))
  gsub(/ </, "\\ <", usage)
  gsub(/ \.\.\./, "\\ ...", usage)
  print ".SH SYNOPSIS\n.B " plain(command)
  if (usage != "") print usage
  description()
}

# Names end where the help's second column begins; a name that reaches into it has its line alone.
function row(name,  text, note) {
  text = ""
  if (length(name) > 26 && substr(name, 26, 1) == " ") {
    text = substr(name, 27)
    name = substr(name, 1, 26)
  }
  gsub(/^ +| +$/, "", name)
  print ".TP"
  if (section == "SUBCOMMANDS") {
    note = name
    sub(/[^ ]+/, "", note)
    sub(/ .*/, "", name)
    print "\\fB" page(command " " name) "\\fR(1)" note
  } else {
    name = plain(name)
    gsub(/<[^>]*>/, "\\fI&\\fB", name)
    print "\\fB" name "\\fR"
  }
  if (text != "") print plain(text)
}

/^OVERVIEW: / { section = "OVERVIEW"; abstract = substr($0, 11); next }
/^USAGE: / { section = ""; head(substr($0, 8)); next }
section == "OVERVIEW" {
  # The abstract is what stands before the first empty line.
  if (lines || $0 == "") line[++lines] = $0
  else abstract = abstract " " $0
  next
}
/^[A-Z]+:$/ { section = substr($0, 1, length($0) - 1); print ".SH " section; next }
/^$/ { section = ""; next }
section != "" && /^  [^ ]/ { row($0); next }
section != "" { sub(/^ +/, ""); print plain($0) }

END {
  parent = command
  if (sub(/ [^ ]+$/, "", parent)) print ".SH SEE ALSO\n\\fB" page(parent) "\\fR(1)"
}

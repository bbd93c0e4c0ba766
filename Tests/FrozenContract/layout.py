#!/usr/bin/env python3
"""Writes a C file that compiles only where every record, table and number of switchback_backend.h lies as it does in
this header:  python3 layout.py HEADER > layout.c"""
import os
import re
import subprocess
import sys
import tempfile

header = sys.argv[1]
text = re.sub(r"/\*.*?\*/", "", open(header).read(), flags=re.S)
records = []
for match in re.finditer(r"(?:typedef )?struct (?:\w+ )?\{(.*?)\n\} (\w+);|\nstruct (\w+) \{(.*?)\n\};", text, re.S):
    body, name = (match[1], match[2]) if match[2] else (match[4], "struct " + match[3])
    body = re.sub(r"union \{.*?\} (\w+);", r"int \1;", body)
    members = []
    for line in body.split(";"):
        function = re.search(r"\(\*(\w+)\)\(", line)
        if function:
            members.append(function[1])
        elif line.strip():
            members += [re.sub(r"\[.*", "", part).split()[-1].lstrip("*") for part in line.split(",")]
    records.append((name, members))
constants = re.findall(r"\b(SB_[A-Z0-9_]+)(?= = |, |\s*\})", " ".join(re.findall(r"enum \{(.*?)\}", text, re.S)) + " }")
asked = [f"sizeof({name})" for name, _ in records]
asked += [f"offsetof({name}, {member})" for name, members in records for member in members]
asked += sorted(set(constants), key=constants.index) + ["SB_MAX_RANK", "SB_ABSENT"]
with tempfile.TemporaryDirectory() as folder:
    lines = "".join(f'  printf("%lld\\n", (long long){word});\n' for word in asked)
    with open(folder + "/ask.c", "w") as file:
        file.write(f'#include <stddef.h>\n#include <stdio.h>\n#include "{os.path.abspath(header)}"\n'
                   f"int main(void) {{\n{lines}}}\n")
    subprocess.run(["cc", folder + "/ask.c", "-o", folder + "/ask"], check=True)
    answers = subprocess.run([folder + "/ask"], check=True, capture_output=True, text=True).stdout.split()
print('/* Made by layout.py when the version was frozen. Tables may grow at their end, so their size may too. */')
print('#include <stddef.h>\n\n#include "switchback_backend.h"\n')
growing = [name for name, members in records if "struct_size" in members]
for word, answer in zip(asked, answers):
    name = word[len("sizeof("):-1]
    relation = ">=" if word.startswith("sizeof") and name in growing else "=="
    print(f'_Static_assert({word} {relation} {answer}, "{word}");')

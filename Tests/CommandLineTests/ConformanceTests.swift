import Foundation
import TestFiles
import Testing

private let template = "Backends/Template/template_backend.c"

/// Columns of a family's row: passed, declined, failed.
private func row(_ family: String, _ output: String) -> [Int]? {
  let line = output.split(separator: "\n").first { $0.hasPrefix(family + " ") }
  return line?.dropFirst(family.count).split(separator: " ").prefix(3).compactMap { Int($0) }
}

/// Those that the output says to run again.
func commands(_ output: String) -> [String] {
  output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { $0.hasPrefix("again: ") }
    .map { String($0.dropFirst("again: ".count)) }
}

@Suite struct ConformanceTests {
  @Test("every built-in backend passes", arguments: ["reference", "openblas", "fft", "opencl"])
  func builtIn(name: String) throws {
    try skipWithout(name)
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // Everything is asked in the long tests alone.
    let isQuick = !runsLongTests
    let outcome = try switchback(
      ["conformance", "--backend", name, "--failures", folder, "--junit", folder + "/junit.xml"]
        + (isQuick ? ["--quick"] : []) + (name == "fft" ? ["--option", "force=true"] : []))
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
    let passed = try #require(row("conv2d", outcome.output))
    #expect(passed[0] > 0 && passed[2] == 0)
    if name != "fft" { #expect(try #require(row("random programs", outcome.output))[0] == (isQuick ? 10 : 100)) }
    let junit = try String(contentsOfFile: folder + "/junit.xml", encoding: .utf8)
    #expect(junit.contains("<testsuite name=\"conv2d\"") && !junit.contains("<failure"))
    #expect(junit.contains("name=\"memory does not grow with runs\"/>"))
  }

  @Test("the template passes with what it implements, and declines the rest")
  func templatePasses() throws {
    let outcome = try switchback(
      "conformance", "--backend", try compilePlugin(template), "--quick", "--filter", "unary", "--filter", "matmul",
      "--filter", "conv2d", "--filter", "segments")
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
    #expect(try #require(row("matmul", outcome.output))[0] > 0)
    let convolution = try #require(row("conv2d", outcome.output))
    #expect(convolution[0] == 0 && convolution[1] > 0)
  }

  @Test(
    "a wrong copy of it fails, the operation is named, and the case is run again from its file",
    arguments: [
      ("unary", "a[e] <= 0 ? 0 : a[e];", "a[e] > 0 ? a[e] : 0;"),
      ("matmul", "k < s->inner; k++", "k + 1 < s->inner; k++"),
    ]
      + (runsLongTests
        ? [
          ("unary", "a[e] <= 0 ? 0 : a[e];", "a[e] <= 0 ? 1e-3f : a[e];"),
          ("unary", "e < s->rows; e++) y[e]", "e + 1 < s->rows; e++) y[e]"),
          ("matmul", "b[k * s->columns + c];", "b[c * s->inner + k];"), ("matmul", "+= a[r", "-= a[r"),
        ] : []))
  func wrong(family: String, old: String, new: String) throws {
    let library = try compilePlugin(template, replacing: [(old, new)])
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--failures", folder, "--json", "--filter", "unary", "--filter",
      "matmul", "--filter", "segments", "--filter", "training steps")
    #expect(outcome.status == 1)
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let families = try #require(result["families"] as? [[String: Any]])
    let failed = families.filter { ($0["failed"] as? Int ?? 0) > 0 }.compactMap { $0["family"] as? String }
    #expect(failed.contains(family))
    // The other one that the template has is right.
    #expect(
      failed.allSatisfy { [family, "training steps", "segments"].contains($0) },
      "\(failed)")
    let failures = try #require(result["failures"] as? [[String: Any]])
    let file = try #require(failures.compactMap { $0["replay"] as? String }.first)
    // A cause has one file, however many cases it fails, and says which number is what.
    let causes = Dictionary(grouping: failures) { $0["cause"] as? String ?? "" }
    #expect(causes.values.allSatisfy { Set($0.map { $0["replay"] as? String }).count == 1 })
    #expect(failures.count < 4 || causes.count < failures.count, "\(causes.keys)")
    #expect(causes.keys.contains { $0.hasPrefix(family) }, "\(causes.keys)")
    #expect(
      failures.contains {
        ($0["message"] as? String ?? "").wholeMatch(of: /y0\[[\d, ]*\] is .*, not .*/) != nil
      })
    #expect(try switchback("conformance", "--backend", library, "--program", file).status == 1)
    #expect(try switchback("conformance", "--backend", "reference", "--program", file).status == 0)
  }

  @Test("a kernel that crashes in train is named with its backend, and what is said of it shows it again")
  func crash() throws {
    let wrong = try compilePlugin(
      template, replacing: [("k < s->inner; k++", "(s->inner <= 100 || *(volatile int *)8 == 0) && k < s->inner; k++")])
    let data = try dataFolder()
    let train = try switchback(
      "train", "configs/mnist-mlp.yaml", "--data", data, "--runs", temporary(), "--steps", "2", "--backend", wrong)
    #expect(train.status == SIGSEGV, "\(train.error)")
    #expect(train.error.contains("SIGSEGV: the backend template was at work on "), "\(train.error)")
    #expect(train.error.contains("switchback conformance --backend \(wrong) --filter matmul"), "\(train.error)")
    // The samples of conformance are smaller than this network.
    let diff = try switchback(
      "diff", "configs/mnist-mlp.yaml", "--data", data, "--steps", "1", "--backends", "reference,\(wrong)", "--replay",
      temporary())
    #expect(diff.error.contains("the backend template was at work on layers.1.dense/matmul. "), "\(diff.error)")
  }

  @Test("a kernel that crashes in conformance is named first, by its case, with the command that shows it again")
  func crashOfCase() throws {
    let wrong = try compilePlugin(
      template, replacing: [("k < s->inner; k++", "(s->inner <= 100 || *(volatile int *)8 == 0) && k < s->inner; k++")])
    let outcome = try switchback("conformance", "--backend", wrong, "--quick", "--filter", "matmul")
    #expect(outcome.status == 1)
    let lines = outcome.error.split(separator: "\n")
    #expect(lines.first?.hasPrefix("error: SIGSEGV: the backend \(wrong) was at work on matmul ") == true, "\(lines)")
    let command = try #require(commands(outcome.error).first)
    #expect(lines.first?.hasSuffix("Again: \(command)") == true, "\(lines)")
    #expect(try printed(command).error.contains("SIGSEGV"))
  }

  @Test("what other workers show is shown again by the program alone, on as many threads as were asked for")
  func workersAgain() throws {
    let base = "\(root)/Tests/Museum/base.c"
    let library = try compilePlugin(
      "Tests/Museum/row_lost_at_odd_workers.c", replacing: [("#include \"base.c\"", "#include \"\(base)\"")])
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--threads", "2", "--seed=-3", "--filter",
      "segments product, bias, relu", "--failures", temporary())
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    let command = try #require(commands(outcome.output).first)
    #expect(command.contains(" --threads 2 --seed=-3 --program "), "\(command)")
    let shown = try printed(command)
    #expect(
      shown.status == 1 && shown.output.contains("its bits depend on the number of workers"),
      "\(shown.output)\(shown.error)")
  }

  @Test("results that lie on operands of a kernel whose operations are no group: the hint says so")
  func groupsNotStated() throws {
    let base = "\(root)/Tests/Museum/base.c"
    let library = try compilePlugin(
      "Tests/Museum/groups_not_stated.c", replacing: [("#include \"base.c\"", "#include \"\(base)\"")])
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--filter", "segments", "--failures", temporary())
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    #expect(outcome.error.contains("as one group (group_of)"), "\(outcome.error)")
  }

  @Test("the title of a cause is a filter; what an operation does alone hides its segments")
  func titles() throws {
    let right = try switchback("conformance", "--backend", "reference", "--quick", "--filter", "unary selu")
    #expect(right.status == 0, "\(right.output)\(right.error)")
    let passed = try #require(row("unary", right.output))
    let families = right.output.split(separator: "\n").prefix { !$0.contains(": ") }
    #expect(passed[0] > 0 && passed[0] < 60 && families.count <= 3, "\(right.output)")
    let wrong = try compilePlugin(template, replacing: [("a[e] <= 0 ? 0 : a[e];", "a[e] <= 0 ? 1 : a[e];")])
    let outcome = try switchback(
      "conformance", "--backend", wrong, "--quick", "--filter", "unary relu", "--filter",
      "segments product, bias, relu",
      "--failures", temporary())
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    let titles = outcome.output.split(separator: "\n").filter { $0.hasPrefix("✗ ") }
    #expect(titles.allSatisfy { $0.hasPrefix("✗ unary relu") } && !titles.isEmpty, "\(titles)")
    #expect(outcome.output.contains("  also in "), "\(outcome.output)")
  }

  @Test("a program says how many of its operations the backend takes")
  func share() throws {
    let program = """
      program part
      input %0 x f32[2,3]
      input %1 w f32[3,4]
      %2: f32[2,4] = matmul(%0, %1) {transposeA: false, transposeB: false}
      %3: f32[2,4] = unary(%2) {alpha: 0.0, function: "tanh"}
      output y %3

      """
    let file = try write(program.utf8, to: temporary() + "/part.program")
    let library = try compilePlugin(template)
    let outcome = try switchback("conformance", "--backend", library, "--program", file)
    #expect(outcome.status == 0 && outcome.output.contains("; 1 of 2 operations on \(library)"), "\(outcome)")
  }

  @Test("a wrong convolution is told with its attributes")
  func attributes() throws {
    let wrong = try compilePlugin(
      "Tests/FusingBackend/fusing_backend.c",
      replacing: [("float value = (float)sum;", "float value = (float)sum + 1;")])
    let program = """
      program strided
      input %0 x f32[1,5,5,2]
      input %1 w f32[3,3,2,4]
      %2: f32[1,2,2,4] = conv2d(%0, %1) {dilations: [1, 1], groups: 1, padding: [0, 0, 0, 0], strides: [2, 2]}
      output y %2

      """
    let file = try write(program.utf8, to: temporary() + "/strided.program")
    let outcome = try switchback("conformance", "--backend", wrong, "--program", file)
    #expect(outcome.status == 1 && outcome.output.contains("strides [2, 2]"), "\(outcome)")
    #expect(outcome.output.contains("groups 1"), "\(outcome)")
  }

  @Test("bits that change from run to run are shown again by the program alone")
  func twiceAgain() throws {
    let library = try compilePlugin(
      template,
      replacing: [
        (
          "row[c] += a[r * s->inner + k] * b[k * s->columns + c];",
          """
          {
            row[c] += a[r * s->inner + k] * b[k * s->columns + c];
            if (k + 1 == s->inner && runs % 4 >= 2) row[c] *= 1.00000012f;
          }
          """
        ),
        ("*ticket = 0;", "runs++; *ticket = 0;"), ("#include <stdlib.h>", "#include <stdlib.h>\nstatic int runs;"),
      ])
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--filter", "matmul, twice", "--failures", temporary())
    #expect(outcome.status == 1 && outcome.output.contains("✗ matmul, twice: "), "\(outcome)")
    let command = try #require(commands(outcome.output).first)
    for _ in 0..<3 {
      let shown = try printed(command)
      #expect(
        shown.status == 1 && shown.output.contains("its bits change from run to run"), "\(shown.output)\(shown.error)")
    }
  }

  @Test("a rule of the contract that is broken has a command that asks it again")
  func contractAgain() throws {
    let library = try compilePlugin(
      template, replacing: [("*ticket = 0;", "*ticket = 0; void *volatile block = malloc(4096); free(block);")])
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--filter", "a run allocates nothing")
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    let command = try #require(commands(outcome.output).first)
    #expect(
      command == "switchback conformance --backend \(library) --quick --filter 'contract a run allocates nothing'")
    let shown = try printed(command)
    #expect(shown.status == 1 && shown.error.contains("asks for 4096 bytes"), "\(shown.output)\(shown.error)")
  }

  @Test("profile has the host's time of a backend that measures none")
  func profile() throws {
    let outcome = try switchback(
      "profile", "configs/mnist-mlp.yaml", "--data", try dataFolder(), "--steps", "3", "--by", "operation",
      "--backend", try compilePlugin(template))
    #expect(outcome.status == 0, "\(outcome.error)")
    let rows = outcome.output.split(separator: "\n").filter { $0.contains("template (by the host's clock)") }
    #expect(!rows.isEmpty && rows.allSatisfy { !$0.drop { $0 == " " }.hasPrefix("0.0 ") }, "\(outcome.output)")
  }

  @Test("diff names the wrong operation of a training step, with its layer")
  func diff() throws {
    let wrong = try compilePlugin(template, replacing: [("k < s->inner; k++", "k + 1 < s->inner; k++")])
    let replay = temporary() + ".program"
    let arguments = ["diff", "configs/mnist-mlp.yaml", "--data", try dataFolder(), "--steps", "3", "--replay", replay]
    let outcome = try switchback(arguments + ["--backends", "reference," + wrong])
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("first wrong operation: layers.1.dense/matmul is wrong on template"))
    #expect(try switchback("conformance", "--backend", wrong, "--program", replay).status == 1)
    let right = try switchback(arguments + ["--backends", "reference," + compilePlugin(template)])
    #expect(right.status == 0, "\(right.output)\(right.error)")
    #expect(try switchback(arguments + ["--backends", "reference"]).status == 64)
  }

  @Test("a backend that makes numbers that are none is blamed itself, not the rate")
  func notFinite() throws {
    let wrong = try compilePlugin(template, replacing: [("a[e] <= 0 ? 0 : a[e];", "0.0f / 0.0f;")])
    let outcome = try switchback(
      "train", "configs/mnist-mlp.yaml", "--backend", wrong, "--data", try dataFolder(), "--runs", temporary())
    #expect(outcome.status == 1)
    #expect(
      outcome.error.contains("The backend is to blame, not the network: layers.1.dense/relu on template is wrong")
        && outcome.error.contains("conformance --backend \(wrong) --program nonFinite-1.program"), "\(outcome.error)")
    #expect(outcome.error.contains("a backend computes wrongly") && !outcome.error.contains("learning_rate"))
  }

  @Test("backends --explain says who runs every operation and why; without a fallback it is an error by name")
  func explain() throws {
    let library = try compilePlugin(template)
    let outcome = try switchback("backends", "--explain", "configs/mnist-mlp.yaml", "--backend", library, "--json")
    #expect(outcome.status == 0, "\(outcome.error)")
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let operations = try #require(result["operations"] as? [[String: Any]])
    let relu = try #require(operations.first { $0["label"] as? String == "layers.1.dense/relu" })
    #expect(relu["backend"] as? String == "template")
    let softmax = try #require(operations.first { ($0["label"] as? String)?.contains("softmaxCrossEntropy") == true })
    #expect(softmax["backend"] as? String == "reference")
    #expect((softmax["declined"] as? [String: String])?["template"] == "not implemented by the template")
    #expect((operations.last?["segment"] as? Int ?? 0) > 2)
    #expect(
      try switchback("backends", "--explain", "configs/mnist-mlp.yaml", "--backend", library).output.contains(
        "declined by"))
    let strict = try switchback(
      "backends", "--explain", "configs/mnist-mlp.yaml", "--backend", library, "--set", "backend.fallback=[]")
    #expect(
      strict.status != 0 && strict.error.contains("no backend of the chain runs layers.1.dense/statistics"),
      "\(strict.error)")
    #expect(try switchback("backends", "--explain", "/nowhere.yaml").status == 66)
  }

  @Test("a backend that is not there, a program that is none")
  func badInput() throws {
    let nobody = try switchback("conformance", "--backend", "nobody")
    #expect(nobody.status == 69 && nobody.error.contains("$SWITCHBACK_BACKEND_PATH"), "\(nobody.error)")
    #expect(try switchback("conformance", "--backend", "reference", "--program", "/nowhere").status == 66)
    #expect(try switchback("conformance", "--backend", "reference", "--program", "README.md").status == 65)
    let none = try switchback("conformance", "--backend", "reference", "--filter", "nothing like it")
    #expect(none.status == 64 && none.error.contains("no case is left"), "\(none.error)")
  }
}

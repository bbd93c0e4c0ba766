import Foundation
import TestFiles
import Testing

private let template = "Backends/Template/template_backend.c"

/// A copy of the template that breaks one rule of the contract.
private struct Breach: Sendable, CustomTestStringConvertible {
  /// A part of the name of the case that must fail.
  var rule: String
  /// A part of its message.
  var words: String
  var changes: [(String, String)]
  var testDescription: String { rule + ": " + words }

  init(_ rule: String, _ words: String, _ changes: (String, String)...) {
    (self.rule, self.words, self.changes) = (rule, words, changes)
  }

  private static let relu = "a[e] <= 0 ? 0 : a[e];"
  private static let count = "made->count = program->operation_count;"
  private static let field = "struct sb_executable {\n"

  static let all = everywhere + onThisProcessor

  #if arch(x86_64)
    private static let onThisProcessor = [
      Breach(
        "leaves float mode", "another one on worker 1",
        ("*ticket = 0;", "device->host->parallel(device->host->self, 2, stray, 0); *ticket = 0;"),
        ("#include <stdlib.h>", "#include <immintrin.h>\n#include <stdlib.h>"),
        (
          "static sb_status run(",
          """
          static void stray(void *context, uint32_t item, uint32_t worker) {
            (void)context, (void)item;
            if (worker) _mm_setcsr(_mm_getcsr() | 0x8000);
          }
          static sb_status run(
          """
        ))
    ]
  #else
    private static let onThisProcessor: [Breach] = []
  #endif

  private static let everywhere = [
    Breach("writes nothing outside", "bytes outside its views", ("e < s->rows; e++) y[e]", "e <= s->rows; e++) y[e]")),
    Breach(
      "writes nothing outside", "changes one of its operands",
      ("const float *a = run->views[s->a].host;", "float *a = run->views[s->a].host; if (s->rows) a[0] = 7;")),
    Breach("reads nothing but its operands", "matmul", ("for (int64_t c = 0; c < s->columns; c++) row[c] = 0;", "")),
    Breach(
      "reads nothing but its operands", "nothing mapped behind",
      (
        "const float *a = run->views[s->a].host;",
        """
        const float *a = run->views[s->a].host;
        volatile float behind = a[run->views[s->a].bytes / 4 + 16];
        (void)behind;
        """
      )),
    Breach(
      "memory does not grow with runs", "more files are open",
      ("*ticket = 0;", "open(\"/dev/null\", 0); *ticket = 0;"),
      ("#include <stdlib.h>", "#include <fcntl.h>\n#include <stdlib.h>")),
    Breach(
      "memory does not grow with runs", "other bits after thousands of runs",
      (relu, "a[e] <= 0 ? 0 : a[e] * (runs > 3000 ? 2 : 1);"), (count, "runs = 0; " + count),
      ("*ticket = 0;", "runs++; *ticket = 0;"), ("#include <stdlib.h>", "#include <stdlib.h>\nstatic int runs;")),
    Breach(
      "times of groups", "together, and the run took",
      ("*ticket = 0;", "if (run->group_us) run->group_us[0] = 1e9; *ticket = 0;")),
    Breach(
      "times of groups", "time of a group is -5",
      ("*ticket = 0;", "if (run->group_us) run->group_us[0] = -5; *ticket = 0;")),
    Breach(
      "times of groups", "writes behind the times of its groups",
      ("*ticket = 0;", "if (run->group_us) run->group_us[1] = 1; *ticket = 0;")),
    Breach(
      "description may be gone", "",
      (field, field + "  const sb_program *program;\n"), (count, "made->program = program; " + count),
      (
        "*ticket = 0;",
        "if (executable->program->operation_count != executable->count) return SB_INTERNAL; *ticket = 0;"
      )
    ),
    Breach("an absent operand", "crashed (SIGSEGV", ("number >= program->value_count || ", "")),
    Breach(
      "unknown flag of the segment", "did not come back within 3 seconds",
      (
        "if (segment->flags) return sb_fail(error, SB_UNSUPPORTED, -1, \"a flag is not known\");",
        "if (segment->flags) for (;;) { volatile int forever = 0; (void)forever; }"
      )),
    Breach("unknown role of an operand", "is taken", ("value->role < SB_INPUT || value->role > SB_TAP", "0")),
    Breach("unknown flag of the type of a result", "is taken", (" || type->flags", "")),
    Breach("a rank of 9", "is taken", (" || type->rank > SB_MAX_RANK", "")),
    Breach("more bytes than 64 bits", "is taken", ("__builtin_mul_overflow(", "0 * __builtin_mul_overflow(")),
    Breach("unknown flag of the program", "is taken", ("if (program->flags) return \"a flag is not known\";", "")),
    Breach(
      "memory does not grow with runs", "KiB more memory",
      ("*ticket = 0;", "*ticket = 0; *(volatile char *)malloc(64) = 1;")),
    Breach(
      "a run allocates nothing", "asks for 4096 bytes of memory in a run",
      ("*ticket = 0;", "*ticket = 0; void *volatile block = malloc(4096); free(block);")),
    Breach(
      "devices opened and closed", "KiB more memory", ("{ free(device); }", "{ (void)device; }"),
      ("malloc(sizeof **device)", "calloc(1, 8192)")),
    Breach(
      "changed with their generation", "matmul",
      (field, field + "  float *packed;\n"), (count, "made->packed = 0; " + count),
      (
        "const float *b = run->views[s->b].host;",
        """
        if (!executable->packed) {
          executable->packed = malloc(s->inner * s->columns * sizeof(float) + 1);
          memcpy(executable->packed, run->views[s->b].host, s->inner * s->columns * sizeof(float));
        }
        const float *b = executable->packed;
        """
      )),
    Breach(
      "looks at", "other bits", (field, field + "  float scale;\n"),
      (
        count,
        "made->scale = 1; for (uint32_t v = 0; v < program->value_count; v++) "
          + "if (program->values[v].role == SB_TAP) made->scale = 1.001f; " + count
      ), (relu, "a[e] <= 0 ? 0 : a[e] * executable->scale;")),
    Breach(
      "1, 2 and 3 workers", "unary",
      (relu, "a[e] <= 0 ? 0 : a[e] * (1 + 1e-6f * (float)device->host->workers);")),
    Breach(
      "same fingerprint", "in another process",
      (relu, "a[e] <= 0 ? 0 : a[e] * (1 + 1e-6f * (float)(getpid() % 1000));"),
      ("#include <stdlib.h>", "#include <stdlib.h>\nint getpid(void);")),
    Breach(
      "no scratch memory but", "bytes beside its scratch memory",
      ("*ticket = 0;", "((char *)device->host->scratch(device->host->self, 0, 100))[100] = 1; *ticket = 0;")),
    Breach(
      "no scratch memory but", "crashed (SIGSEGV",
      ("*ticket = 0;", "((char *)device->host->scratch(device->host->self, 0, 100))[1000] = 1; *ticket = 0;")),
    Breach(
      "no scratch memory but", "where NaN lay",
      (
        relu,
        "a[e] <= 0 ? 0 : isnan(*(float *)device->host->scratch(device->host->self, 0, 4)) ? 1 : a[e];"
      ), ("#include <stdlib.h>", "#include <math.h>\n#include <stdlib.h>")),
    Breach(
      "the same question", "another answer",
      (".why = why};", ".why = why, .cost_us = count++};"),
      ("struct step step;\n    const char *why", "struct step step;\n    static int count;\n    const char *why")),
    Breach(
      "error record", "beyond its room",
      (
        "return sb_fail(error, SB_UNSUPPORTED, (int32_t)i, why);",
        "if (error && error->text) strcpy(error->text, why); return SB_UNSUPPORTED;"
      )),
    Breach(
      "says why and which", "names operation -1",
      ("return sb_fail(error, SB_UNSUPPORTED, (int32_t)i, why);", "return sb_fail(error, SB_UNSUPPORTED, -1, why);")),
    Breach("an option that is not known", "does not name", ("no option %s\", options[0].key", "no options\"")),
    Breach(
      "an option that is not known", "not SB_INVALID",
      ("sb_fail(error, SB_INVALID, -1, words)", "sb_fail(error, SB_INTERNAL, -1, words)")),
    Breach("beyond the last", "9999", ("if (index > 0) return sb_fail(error", "if (0) return sb_fail(error")),
    Breach(
      "starts no threads", "threads are running",
      ("(*device)->host = host;", "(*device)->host = host; pthread_t t; pthread_create(&t, 0, idle, 0);"),
      ("#include <stdlib.h>", "#include <pthread.h>\n#include <stdlib.h>\n#include <unistd.h>"),
      (
        "static sb_status open_device(",
        "static void *idle(void *p) { for (;;) sleep(9); return p; }\nstatic sb_status open_device("
      )),
    Breach(
      "starts no threads", "locale is C.",
      ("(*device)->host = host;", "(*device)->host = host; setlocale(LC_ALL, \"C.UTF-8\");"),
      ("#include <stdlib.h>", "#include <locale.h>\n#include <stdlib.h>")),
  ]
}

@Suite struct ContractTests {
  @Test("a copy of the template that breaks a rule fails that rule's case", arguments: Breach.all)
  fileprivate func breach(_ breach: Breach) throws {
    let library = try compilePlugin(template, replacing: breach.changes)
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--filter", breach.rule, "--limit", "3", "--json")
    // What reads freed memory may already fail when it is first tried.
    if breach.rule == "description may be gone", outcome.status == 69 { return }
    #expect(outcome.status == 1, "\(outcome.error)")
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let failures = try #require(result["failures"] as? [[String: Any]])
    let messages = failures.map { "\($0["name"] ?? ""): \($0["message"] ?? "")" }
    let isNamed = messages.contains {
      $0.contains(breach.rule) && (breach.words.isEmpty || $0.contains(breach.words))
    }
    #expect(isNamed, "\(messages)")
  }

  @Test("the template keeps every rule (of the built-in backends ConformanceTests asks the same)")
  func kept() throws {
    let junit = temporary() + ".xml"
    let outcome = try switchback(
      "conformance", "--backend", compilePlugin(template), "--quick", "--filter", "contract", "--junit", junit)
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
    let text = try String(contentsOfFile: junit, encoding: .utf8)
    #expect(text.contains("name=\"memory does not grow with runs\"/>"))
  }

  @Test("what a library asks for in its first runs is let pass; a fork excuses nobody without Swift's runtime")
  func allocations() throws {
    func outcome(_ change: String, _ more: (String, String)...) throws -> Outcome {
      let library = try compilePlugin(template, replacing: [("*ticket = 0;", change + " *ticket = 0;")] + more)
      return try switchback("conformance", "--backend", library, "--quick", "--filter", "a run allocates nothing")
    }
    let settling = try outcome(
      "static int runs; if (runs++ < 3) { void *volatile block = malloc(4096); free(block); }")
    #expect(settling.status == 0, "\(settling.output)\(settling.error)")
    let nothing =
      "#include <stdlib.h>\nstatic void nothing(void *c, uint32_t i, uint32_t w) { (void)c, (void)i, (void)w; }"
    let forking = try outcome(
      "device->host->parallel(device->host->self, 2, nothing, 0); void *volatile block = malloc(32); free(block);",
      ("#include <stdlib.h>", nothing))
    #expect(forking.status == 1 && forking.error.contains("asks for 32 bytes"), "\(forking.output)\(forking.error)")
    // One that not every count of allocations knows.
    let aligned = try outcome(
      "void *volatile block = memalign(64, 640); free(block);", ("#include <stdlib.h>", "#include <malloc.h>"))
    #expect(aligned.status == 1 && aligned.error.contains("asks for 640 bytes"), "\(aligned.output)\(aligned.error)")
  }

  @Test("a library that crashes when it is loaded is an error of conformance, not its end")
  func crashes() throws {
    let library = try compilePlugin(
      template, replacing: [("(*device)->host = host;", "*(volatile int *)1 = 1; (*device)->host = host;")])
    for outcome in [
      try switchback("conformance", "--backend", library), try switchback("backends", "check", library),
    ] {
      #expect(outcome.status == 69)
      #expect(
        outcome.error.contains("crashed (SIGSEGV") && outcome.error.contains("opening device 0"), "\(outcome.error)")
    }
    let endless = try compilePlugin(
      template, replacing: [("(*device)->host = host;", "for (;;) { volatile int x = 0; (void)x; }")])
    let outcome = try switchback("backends", "check", endless, "--limit", "1")
    #expect(outcome.status == 69 && outcome.error.contains("within 1 seconds"), "\(outcome.error)")
  }

  @Test("backends check says what is wrong with a file")
  func files() throws {
    let library = try compilePlugin(template)
    let good = try switchback("backends", "check", library)
    #expect(good.status == 0 && good.output.contains("takes 2 of"), "\(good.error)")
    let folder = try temporaryFolder()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: library))
    var foreign = bytes
    foreign[18] = foreign[18] == 183 ? 62 : 183
    for (name, contents, words) in [
      ("short.so", bytes.prefix(9), "cut off"), ("truncated.so", bytes.prefix(4000), "truncated.so"),
      ("foreign.so", foreign, "is built for"), ("text.so", Data("hello".utf8), "no library"),
    ] {
      try write(contents, to: "\(folder)/\(name)")
      let outcome = try switchback("backends", "check", "\(folder)/\(name)")
      #expect(outcome.status == 69 && outcome.error.contains(words), "\(name): \(outcome.error)")
    }
    #expect(try switchback("backends", "check", "/nowhere.so").error.contains("there is no file"))
    // A library whose own needed library is gone.
    let source = library.replacingOccurrences(of: "libSwitchbackplugin.so", with: "plugin.c")
    let built = try shell(
      """
      cd \(folder) && echo 'int needed(void) { return 1; }' > needed.c && cc -shared -fPIC needed.c -o libneeded.so \
      && sed 's/(void)host_minor;/(void)host_minor; extern int needed(void); if (!needed()) return 0;/' \(source) > p.c \
      && cc -shared -fPIC -I \(root)/Sources/SwitchbackABI/include p.c -L. -lneeded -o libSwitchbackp.so && rm libneeded.so
      """)
    #expect(built.status == 0, "\(built.error)")
    let outcome = try switchback("backends", "check", folder + "/libSwitchbackp.so")
    #expect(outcome.status == 69 && outcome.error.contains("apt-file search libneeded.so"), "\(outcome.error)")
  }
}

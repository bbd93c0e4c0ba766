import Synchronization
import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackWorkerPool
import TestFiles
import Testing

private let template = "Backends/Template/template_backend.c"

/// What a backend of one relu does at each call, with one line of the template replaced.
private struct Attempt {
  let host: HostServices
  let program: Program
  private(set) var device: (any ComputeDevice)?

  init(_ old: String, _ new: String, log: @escaping @Sendable (Int, String) -> Void = { _, _ in }) throws {
    let library = try compilePlugin(template, replacing: [(old, new)])
    host = try HostServices(workers: 1, log: log)
    device = try LoadedBackend(file: library).open(device: 0, options: [:], host: host)
    program = try OperationSample(Unary(.relu), [.float32([2])]).program()
  }

  var chain: BackendChain { BackendChain([.init(name: "template", device: device!)], host: host) }

  func executor() throws -> ProgramExecutor { try ProgramExecutor(program, on: chain, states: StateStore()) }
}

private func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch let error as BackendError {
    return error.message
  } catch let error as ExecutionError {
    return error.message
  } catch {
    return "another error: \(error)"
  }
}

/// Plugins that break the contract: the host says so in words, and goes on.
@Suite struct HostFaultTests {
  @Test(
    "a table without one of the required functions is refused",
    arguments: ["device_info", "open", "close", "query", "compile", "run", "release"])
  func missing(function: String) throws {
    let old = "." + function + " = " + (["open", "close"].contains(function) ? function + "_device" : function)
    let library = try compilePlugin(template, replacing: [(old, "." + function + " = 0")])
    #expect(message { _ = try LoadedBackend(file: library) }.contains("seven required functions"))
  }

  @Test(
    "a table whose size or name cannot be is refused",
    arguments: [
      (".struct_size = sizeof(sb_backend)", ".struct_size = 0", "size of 0"),
      (".struct_size = sizeof(sb_backend)", ".struct_size = 1u << 31", "size of 2147483648"),
      (".name = \"template\"", ".name = \"\\xff\\xfe\"", "UTF-8"),
      (".name = \"template\"", ".name = \"\"", "UTF-8"),
      (".major = SB_MAJOR", ".major = SB_MAJOR + 1", "version"),
    ])
  func table(old: String, new: String, words: String) throws {
    let library = try compilePlugin(template, replacing: [(old, new)])
    let found = message { _ = try LoadedBackend(file: library) }
    #expect(found.contains(words), "\(found)")
  }

  @Test("a longer table of a newer minor loads, with whatever lies behind")
  func longer() throws {
    let library = try compilePlugin(
      template,
      replacing: [
        (
          "static const sb_backend table = {",
          "static const struct { sb_backend t; char more[64]; } table = {.more = \"rubbish\", .t = {"
        ),
        (
          ".struct_size = sizeof(sb_backend), .major = SB_MAJOR, .minor = SB_MINOR",
          ".struct_size = sizeof(sb_backend) + 64, .major = SB_MAJOR, .minor = 999"
        ),
        (".release = release};\n  return &table;", ".release = release}};\n  return &table.t;"),
      ])
    let device = try LoadedBackend(file: library).open(device: 0, options: [:], host: try HostServices(workers: 1))
    #expect(device.info.name == "template")
  }

  @Test(
    "opening: a status that means nothing, no device, a text without an end",
    arguments: [
      (
        "if (index > 0) return sb_fail(error, SB_END, -1, \"there is one device\");",
        "(void)error, (void)index; return 99;", "status 99"
      ),
      (
        "if (index > 0) return sb_fail(error, SB_END, -1, \"there is one device\");",
        "(void)error, (void)index; return SB_OK;", "without giving a device"
      ),
      (
        "if (index > 0) return sb_fail(error, SB_END, -1, \"there is one device\");",
        "memset(error->text, 'x', error->capacity); (void)index; return SB_INTERNAL;", "xxxxxxxx"
      ),
    ])
  func opening(old: String, new: String, words: String) throws {
    let found = message { _ = try Attempt(old, new) }
    #expect(found.contains(words) && found.count < 1200, "\(found)")
  }

  @Test(
    "asking: verdicts that mean nothing",
    arguments: [
      ("= why ? SB_DECLINE : SB_ACCEPT,", "= why ? SB_DECLINE : 77,", "77"),
      (".why = why};", ".error_factor = why ? 0 : 0.0f / 0.0f, .why = why};", "error factor"),
      (".why = why};", ".error_factor = why ? 0 : -1, .why = why};", "error factor"),
      (
        "verdicts[i] = (sb_verdict)",
        "if (!understand(program, program->operations[i], &step)) return 99; verdicts[i] = (sb_verdict)", "status 99"
      ),
    ])
  func asking(old: String, new: String, words: String) throws {
    let attempt = try Attempt(old, new)
    let found = message { _ = try attempt.device!.query(Segment(attempt.program)) }
    #expect(found.contains(words), "\(found)")
  }

  @Test("a cost that is no number counts as unknown")
  func cost() throws {
    for cost in ["0.0 / 0.0", "1.0 / 0.0", "-5"] {
      let attempt = try Attempt(".why = why};", ".cost_us = \(cost), .why = why};")
      #expect(try attempt.device!.query(Segment(attempt.program)) == [.accept(errorFactor: 1, microseconds: 0)])
    }
  }

  @Test(
    "compiling: success without an executable, answers that cannot be, failure after acceptance",
    arguments: [
      ("*executable = made;", "free(made);", "without giving an executable"),
      ("*executable = made;", "*executable = made; compiled->workspace = 1ull << 63;", "workspace"),
      ("*executable = made;", "*executable = made; compiled->workspace_alignment = 3;", "alignment of 3"),
      ("*executable = made;", "*executable = made; compiled->workspace_alignment = 1ull << 40;", "alignment"),
      (
        "*executable = made;",
        "static const uint32_t g[] = {5}; static const char *const n[] = {\"a\"}; *executable = made;"
          + "compiled->group_of = g; compiled->group_names = n; compiled->group_count = 1;", "group out of range"
      ),
      (
        "*executable = made;",
        "static const uint32_t g[] = {0}; static const char *const n[] = {0}; *executable = made;"
          + "compiled->group_of = g; compiled->group_names = n; compiled->group_count = UINT32_MAX;", "groups"
      ),
      ("*executable = made;", "free(made); return 99;", "status 99"),
      ("*executable = made;", "free(made); return sb_fail(error, SB_UNSUPPORTED, 999, \"not today\");", "not today"),
      ("*executable = made;", "free(made); return sb_fail(error, SB_UNSUPPORTED, -77, \"not today\");", "not today"),
      ("*executable = made;", "free(made); return sb_fail(error, SB_OUT_OF_MEMORY, 0, \"too much\");", "relu: "),
    ])
  func compiling(old: String, new: String, words: String) throws {
    let attempt = try Attempt(old, new)
    let found = message { _ = try attempt.executor() }
    #expect(found.contains(words), "\(found)")
  }

  @Test(
    "running: a status that means nothing, an index that is none, an error that is known only when waiting",
    arguments: [
      ("*ticket = 0;", "return 99;", "status 99"),
      ("*ticket = 0;", "return sb_fail(error, SB_INTERNAL, 4000, \"it broke\");", "it broke"),
      ("*ticket = 0;", "return sb_fail(error, SB_DEVICE_LOST, -1, \"the device is lost\");", "lost"),
    ])
  func running(old: String, new: String, words: String) throws {
    let executor = try Attempt(old, new).executor()
    for _ in 0..<2 {
      let found = message { try executor.run() }
      #expect(found.contains(words), "\(found)")
    }
  }

  private static let wait =
    "static sb_status wait_for(sb_device *d, sb_ticket t, uint64_t ns, sb_error *e) { (void)d, (void)t, (void)ns; "

  @Test("waiting: its error is the run's, and a time-out is one")
  func waiting() throws {
    for (body, words) in [
      ("return sb_fail(e, SB_DEVICE_LOST, 0, \"lost while running\"); }", "lost while running"),
      ("(void)e; return SB_TIMEOUT; }", "did not finish"),
    ] {
      let library = try compilePlugin(
        template,
        replacing: [
          ("*ticket = 0;", "static uint64_t count = 9; *ticket = count--;"),
          ("const sb_backend *SB_ENTRY(", Self.wait + body + "\nconst sb_backend *SB_ENTRY("),
          (".release = release}", ".release = release, .wait = wait_for}"),
        ])
      let host = try HostServices(workers: 1)
      let device = try LoadedBackend(file: library).open(device: 0, options: [:], host: host)
      let executor = try ProgramExecutor(
        try OperationSample(Unary(.relu), [.float32([2])]).program(),
        on: BackendChain([.init(name: "template", device: device)], host: host), states: StateStore())
      let found = message { try executor.run() }
      #expect(found.contains(words), "\(found)")
    }
  }

  #if arch(x86_64)
    @Test(
      "a changed float mode is put back, and its author named",
      arguments: [("*executable = made;", "compiling"), ("*ticket = 0;", "running")])
    func floatMode(place: String, doing: String) throws {
      let lines = Mutex<[String]>([])
      let attempt = try Attempt(
        place, "__builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040); " + place,
        log: { _, text in lines.withLock { $0.append(text) } })
      let mode = sb_float_mode()
      try attempt.executor().run()
      #expect(sb_float_mode() == mode)
      let said = lines.withLock { $0 }
      #expect(said.contains { $0.contains("template") && $0.contains(doing) }, "\(said)")
    }
  #endif
}

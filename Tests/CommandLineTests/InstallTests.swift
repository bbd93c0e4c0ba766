import Foundation
import TestFiles
import Testing

/// What `make install` does after the build, with the program that the tests have.
@Suite("make install")
struct InstallTests {
  private let files = FileManager.default

  private func make(_ target: String, into folder: String) throws -> Outcome {
    try run("/usr/bin/env", ["make", "-s", target, "BINARY=\(binary)", "DESTDIR=\(folder)", "PREFIX=/usr/local"], [:])
  }

  /// Files and folders below a folder.
  private func paths(below folder: String) throws -> Set<String> {
    try Set(files.subpathsOfDirectory(atPath: folder))
  }

  /// A command as the program describes it to other programs, which is not what the manual is made from.
  private struct Command: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable {
        var kind: String
        var name: String
      }
      var names: [Name]?
      var shouldDisplay: Bool
    }
    var commandName: String
    var shouldDisplay: Bool
    var arguments: [Argument]?
    var subcommands: [Command]?

    /// The names of its page and of those below it, each with the options that it has to name.
    func pages(after parent: String? = nil) -> [(name: String, options: [String])] {
      let name = parent.map { $0 + "-" + commandName } ?? commandName
      let options = (arguments ?? []).filter(\.shouldDisplay).flatMap { $0.names ?? [] }
        .map { ($0.kind == "long" ? "--" : "-") + $0.name }
      let below = (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
      return [(name: name, options: options)] + below.flatMap { $0.pages(after: name) }
    }
  }
  private struct Help: Decodable { var command: Command }

  @Test("the installed program is whole: it finds Swift's runtime and its backends where it is, and no environment")
  func runs() throws {
    let folder = try temporaryFolder()
    defer { try? files.removeItem(atPath: folder) }
    let installed = try make("install-files", into: folder)
    try #require(installed.status == 0, "\(installed.error)")
    let prefix = folder + "/usr/local"
    let expected = try switchback("--version").output
    let version = try run("/usr/bin/env", ["-i", prefix + "/bin/switchback", "--version"], [:])
    #expect(version.status == 0 && version.output == expected, "\(version.error)")
    // Nothing of it may be looked for in the toolchain, which other machines and users do not have.
    let libraries = try files.contentsOfDirectory(atPath: prefix + "/lib/switchback").filter { $0.hasSuffix(".so") }
    #expect(libraries.contains("libswiftCore.so") && libraries.contains("libSwitchbackOpenBLAS.so"))
    for path in ["bin/switchback"] + libraries.map({ "lib/switchback/" + $0 }) {
      let needed = try shell("ldd \(prefix)/\(path)").output.split(separator: "\n")
      #expect(!needed.isEmpty && !needed.contains { $0.contains("not found") }, "\(path)")
      for line in needed where line.contains("libswift") || line.contains("Foundation") {
        #expect(line.contains("/lib/switchback/"), "\(path): \(line)")
      }
    }
    // Authors of backends start from the template, wherever they copy it to; the header is where the prefix is.
    let makefile = try String(contentsOfFile: prefix + "/share/switchback/template/Makefile", encoding: .utf8)
    #expect(makefile.contains("\nHEADER ?= /usr/local/include\n"))
    let built = try shell("make -s -C \(prefix)/share/switchback/template HEADER=\(prefix)/include")
    #expect(built.status == 0, "\(built.error)")

    try skipWithout("openblas")
    let check = try run(
      "/usr/bin/env", ["-i", "HOME=\(folder)", prefix + "/bin/switchback", "backends", "check", "openblas"], [:])
    #expect(check.status == 0, "\(check.output)\(check.error)")
  }

  @Test("every command has a manual page that names its options, and shells parse the completion")
  func describes() throws {
    let folder = try temporaryFolder()
    defer { try? files.removeItem(atPath: folder) }
    let installed = try make("install-files", into: folder)
    try #require(installed.status == 0, "\(installed.error)")
    let share = folder + "/usr/local/share"

    let help = try JSONDecoder().decode(Help.self, from: Data(switchback("--experimental-dump-help").output.utf8))
    let pages = help.command.pages()
    #expect(pages.count > 20)
    let names = Set(pages.map { $0.name + ".1" })
    #expect(try Set(files.contentsOfDirectory(atPath: share + "/man/man1")) == names)
    let hasMan = try shell("command -v man").status == 0
    for (name, options) in pages {
      let path = share + "/man/man1/" + name + ".1"
      let text = try String(contentsOfFile: path, encoding: .utf8).replacingOccurrences(of: "\\-", with: "-")
      #expect(text.contains("\n.SH NAME\n\(name) - "), "\(name)")
      let rows = text.components(separatedBy: "\n.TP\n").dropFirst().map { $0.prefix { $0 != "\n" } }
      for option in options {
        #expect(rows.contains { $0.contains(option) }, "\(name) \(option)")
      }
      if let cut = name.lastIndex(of: "-") {
        let parent = try String(contentsOfFile: "\(share)/man/man1/\(name[..<cut]).1", encoding: .utf8)
        #expect(parent.contains(name.replacingOccurrences(of: "-", with: "\\-") + "\\fR(1)"), "\(name)")
      }
      if hasMan {
        let shown = try shell("man --warnings -l \(path) > \(folder)/shown")
        #expect(shown.status == 0 && shown.error.isEmpty, "\(name): \(shown.error)")
      }
    }
    // Examples stay line for line.
    let page = try String(contentsOfFile: share + "/man/man1/switchback-data.1", encoding: .utf8)
    #expect(page.contains("\n# which are here, and where:\nswitchback data\n"))

    for (interpreter, file) in [
      ("bash", "bash-completion/completions/switchback"), ("zsh", "zsh/site-functions/_switchback"),
      ("fish", "fish/vendor_completions.d/switchback.fish"),
    ] {
      #expect(files.fileExists(atPath: share + "/" + file))
      guard try shell("command -v \(interpreter)").status == 0 else { continue }
      let parsed = try run("/usr/bin/env", [interpreter, "-n", share + "/" + file], [:])
      #expect(parsed.status == 0 && parsed.error.isEmpty, "\(interpreter): \(parsed.error)")
    }
  }

  @Test("what was installed goes again, the files and folders of others stay")
  func uninstalls() throws {
    let folder = try temporaryFolder()
    defer { try? files.removeItem(atPath: folder) }
    let prefix = folder + "/usr/local"
    #expect(try make("uninstall", into: folder).status != 0)
    try #require(try make("install-files", into: folder).status == 0)
    let first = try paths(below: prefix)
    #expect(first.contains("bin/switchback"))
    // What an earlier version had and this one has not goes when the new one comes.
    let list = prefix + "/lib/switchback/installed"
    try write("gone".utf8, to: prefix + "/share/man/man1/switchback-gone.1")
    try ("./share/man/man1/switchback-gone.1\n" + String(contentsOfFile: list, encoding: .utf8))
      .write(toFile: list, atomically: true, encoding: .utf8)
    try #require(try make("install-files", into: folder).status == 0)
    #expect(try paths(below: prefix) == first)
    try #require(try make("uninstall", into: folder).status == 0)
    #expect(try paths(below: prefix) == [])

    let others = ["share/man/man1/other.1", "lib/switchback/libSwitchbackother.so", "include/other.h"]
    for path in others { try write("other".utf8, to: prefix + "/" + path) }
    try files.createDirectory(atPath: prefix + "/bin", withIntermediateDirectories: true)
    let before = try paths(below: prefix)
    try #require(try make("install-files", into: folder).status == 0)
    try #require(try make("uninstall", into: folder).status == 0)
    #expect(try paths(below: prefix) == before)
  }

  @Test("nothing is touched where the program is not built, or the prefix would hang on the folder")
  func refuses() throws {
    let folder = try temporaryFolder()
    for (argument, word) in [
      ("BINARY=\(folder)/none", "make build"), ("PREFIX=relative", "from the root"), ("PREFIX=/a b", "has a space"),
      ("PREFIX=/a&b", "has a space or one of &"),
    ] {
      let outcome = try run(
        "/usr/bin/env", ["make", "-s", "install-files", "BINARY=\(binary)", "DESTDIR=\(folder)/", argument], [:])
      #expect(outcome.status != 0 && outcome.error.contains(word), "\(outcome.error)")
    }
    #expect(try paths(below: folder) == [])
  }

  @Test("a file of somebody else in the place of one of ours stays, and nothing is installed; DESTDIR may be relative")
  func others() throws {
    let folder = try temporaryFolder()
    defer { try? files.removeItem(atPath: folder) }
    let mine = try write("mine".utf8, to: folder + "/here/usr/local/share/switchback/configs/mnist-cnn.yaml")
    let install = "cd \(folder) && sh \(root)/.make/install.sh \(binary) here /usr/local"
    let before = try paths(below: folder)
    let refused = try shell(install)
    #expect(
      refused.status != 0 && refused.error.contains("\(mine) is there, and not of an earlier"), "\(refused.error)")
    #expect(try paths(below: folder) == before && String(contentsOfFile: mine, encoding: .utf8) == "mine")
    try files.removeItem(atPath: mine)
    let installed = try shell(install)
    #expect(
      installed.status == 0 && files.fileExists(atPath: folder + "/here/usr/local/bin/switchback"), "\(installed.error)"
    )
  }

  @Test("under sudo nothing is built, so that root leaves no files in the checkout")
  func sudo() throws {
    let folder = try temporaryFolder()
    let arguments = ["make", "-n", "install", "DESTDIR=\(folder)"]
    #expect(try run("/usr/bin/env", arguments, ["SUDO_USER": "somebody"]).output.contains("swift build") == false)
    #expect(try run("/usr/bin/env", ["-u", "SUDO_USER"] + arguments, [:]).output.contains("swift build"))
  }
}

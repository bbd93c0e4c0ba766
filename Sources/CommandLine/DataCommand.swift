import ArgumentParser
import Switchback

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Lists the data sets known by name, and where they were found.",
    discussion: """
      Examples:

        switchback data
        switchback data --data ~/datasets
      """)

  @Option(help: "A folder to look into first.")
  var data: String?

  func run() throws {
    for dataset in NamedDataset.all {
      do throws(DatasetError) {
        Terminal.write("✓ \(dataset.name)  \(try dataset.folder(given: data))")
      } catch {
        Terminal.write("✗ \(dataset.name)  \(error.message)")
      }
    }
  }
}

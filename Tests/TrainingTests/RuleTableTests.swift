import Foundation
import SwitchbackMonitoring
import SwitchbackTraining
import TestFiles
import Testing

@Suite("The table of rules") struct RuleTableTests {
  private func folder() throws -> CatalogueFolder { try CatalogueFolder("Sources/Monitoring/Rules", of: "Rule") }

  /// The cells of each line of the table, by rule.
  private func table() throws -> [String: [[String]]] {
    Dictionary(grouping: try folder().lines) { $0[0].trimmingCharacters(in: ["`"]) }
  }

  @Test("it has the rules that there are, all columns of each, and no other")
  func names() throws {
    let table = try table()
    #expect(Set(table.keys) == Set(RuleCatalog.all.map(\.name)))
    for (rule, lines) in table {
      for cells in lines { #expect(cells.count == 6 && cells.allSatisfy { !$0.isEmpty }, "\(rule): \(cells)") }
    }
  }

  @Test("every rule in the folder is in the catalogue")
  func catalogue() throws {
    #expect(try folder().types == Set(RuleCatalog.all.map { "\(type(of: $0))" }))
    #expect(Set(RuleCatalog.all.map(\.name)).count == RuleCatalog.all.count)
  }

  @Test("its defaults are those of the rules")
  func defaults() throws {
    let table = try table()
    func numbers(_ rule: String) -> [[Double]] {
      (table[rule] ?? []).map {
        $0[4].split(separator: ";").compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }
      }
    }
    let (vanishing, exploding) = (VanishingGradient(), ExplodingGradient())
    #expect(
      numbers("vanishingGradient") == [
        [vanishing.decades],
        [vanishing.timeDecades, vanishing.decadesPerStep, vanishing.gatedDecadesPerStep, Double(vanishing.warmUp)],
      ])
    #expect(numbers("explodingGradient") == [[exploding.decades], [exploding.updateRatio, Double(exploding.warmUp)]])
    #expect(numbers("smallUpdates") == [[SmallUpdates().updateRatio]])
    #expect(numbers("deadUnits") == [[DeadUnits().share]])
    #expect(
      numbers("saturation") == [[Saturation().share, Saturation().later]]
        && numbers("symmetricUnits") == [[SymmetricUnits().spread]])
    #expect(numbers("shrinkingWeights") == [[ShrinkingWeights().share]])
    #expect(numbers("largeUpdates") == [[LargeUpdates().updateRatio, LargeUpdates().worse]])
    #expect(numbers("alwaysClipped") == [[AlwaysClipped().factor, AlwaysClipped().updateRatio]])
    #expect(numbers("inputScale") == [[InputScale().largestRMS, InputScale().smallestMaximum]])
    let (chance, never) = (LossAtChance(), NeverPredicted())
    #expect(numbers("lossAtChance") == [[chance.band.lowerBound, chance.band.upperBound]])
    #expect(numbers("risingLoss") == [[RisingLoss().rise, RisingLoss().spike]])
    #expect(numbers("classImbalance") == [[ClassImbalance().ratio, ClassImbalance().recall]])
    #expect(numbers("neverPredicted") == [[Double(never.samples), never.surely, never.probably]])
    #expect(
      numbers("overfitting") == [[Overfitting().gap, Overfitting().lossRatio, Overfitting().missedVariance]])
    let running = StaleStatistics()
    #expect(numbers("staleStatistics") == [[running.gap, running.lossRatio, running.initialShare]])
    #expect(table["smallUpdates"]?[0][5].contains("\(SmallUpdates().observations) looks") == true)
    let hysteresis = table["nonFinite"]?[0][5] ?? ""
    #expect(
      hysteresis.contains("after \(NonFinite().calm) steps")
        && hysteresis.contains("at \(NonFinite().lasting) in a row"))
    for key in ["time_decades", "step_decades", "gated_step_decades", "warm_up"] {
      #expect(table["vanishingGradient"]?[1][1].contains("vanishing_\(key)`") == true, "\(key)")
    }
    // A configuration that says nothing has the same.
    let monitor = try Configuration(text: smallRun, file: "test.yaml").monitor
    #expect(monitor.vanishingDecades == vanishing.decades && monitor.explodingDecades == exploding.decades)
    #expect(monitor.explodingUpdateRatio == exploding.updateRatio)
  }
}

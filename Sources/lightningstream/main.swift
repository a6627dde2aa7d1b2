print("lightningstream")

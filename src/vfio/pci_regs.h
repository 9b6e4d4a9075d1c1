/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of PCI configuration space that VFIO treats specially.
 */
#ifndef RF_VFIO_PCI_REGS_H
#define RF_VFIO_PCI_REGS_H

#define PCI_COMMAND		 0x04u
#define PCI_COMMAND_IO		 0x0001u
#define PCI_COMMAND_MEMORY	 0x0002u
#define PCI_COMMAND_MASTER	 0x0004u
#define PCI_COMMAND_SERR	 0x0100u
#define PCI_COMMAND_INTX_DISABLE 0x0400u
#define PCI_STATUS		 0x06u
#define PCI_STATUS_CAP_LIST	 0x0010u
#define PCI_CACHE_LINE		 0x0cu
#define PCI_BAR0		 0x10u
#define PCI_ROM			 0x30u
#define PCI_CAPABILITIES	 0x34u
#define PCI_INTERRUPT_PIN	 0x3du
#define PCI_HEADER_SIZE		 0x40u

#define PCI_BAR_MEM_64		 0x4u
#define PCI_BAR_MEM_PREFETCH	 0x8u

#define PCI_CAP_PM		 0x01u
#define PCI_CAP_MSI		 0x05u
#define PCI_CAP_VNDR		 0x09u
#define PCI_CAP_PCIE		 0x10u
#define PCI_CAP_MSIX		 0x11u

#define PM_PMC			 2u
#define PM_PMC_PME		 0xf800u
#define PM_CTRL			 4u
#define PM_CTRL_STATE		 0x0003u
#define PM_CTRL_NO_SOFT_RST	 0x0008u
#define PM_CTRL_PME		 0x8100u /* enable and status */

#define MSI_FLAGS		 2u
#define MSI_FLAGS_ENABLE	 0x0001u
#define MSI_FLAGS_QSIZE		 0x0070u
#define MSI_FLAGS_64		 0x0080u
#define MSI_FLAGS_MASK		 0x0100u

#define PCIE_FLAGS		 2u
#define PCIE_DEVCAP		 4u
#define PCIE_DEVCAP_FLR		 0x10000000u
#define PCIE_DEVCTL		 8u
#define PCIE_DEVCTL_FLR		 0x8000u
#define PCIE_LNKCTL		 16u
#define PCIE_DEVCTL2		 40u
#define PCIE_TYPE_RC_END	 9u

#endif
